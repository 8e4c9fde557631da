"""The picture of a run: candidates, front, budgets, published models, measured latencies, baselines.

What is drawn is gathered in :class:`FrontPlot` first, which tests look at; drawing is matplotlib's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mvt_nas.errors import RunError, listing
from mvt_nas.metrics.metric import Metric
from mvt_nas.metrics.names import (
    ACCURACY,
    ACCURACY_HIGH,
    ACCURACY_LOW,
    PREDICTED,
    extrapolated,
)
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.labels import label, short_name
from mvt_nas.space.published import published_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

SUFFIXES = (".png", ".svg", ".pdf")
_DPI = 150
_MOST_PANELS = 3
# in a picture made of shapes; more points off the front than these are one image in it
_MOST_SHAPES = 5_000
_FRONT, _OTHER, _MODEL, _BUDGET, _MEASURED, _BASELINE = (
    "#d55e00",
    "#9aa5b1",
    "#0072b2",
    "#cc79a7",
    "#222222",
    "#000000",
)  # Okabe and Ito's palette: told apart without red or green


Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class PlotPanel:
    """One pair of axes.

    Attributes:
        x: metric across, or ``None`` for the candidate's number.
        y: metric upward.
        others: points off the front.
        front: points on it, in order of x.
        models: name and point of each published model among the candidates.
        budgets: axis (``"x"`` or ``"y"``) and value of each bound.
        measured: of each point whose latency was measured, where it is predicted to be and where it
            is.
        intervals: of each point on the front whose y is predicted with an interval, its x and both
            ends.
        baselines: name and point of each network from elsewhere of which both values are known.
    """

    x: str | None
    y: str
    others: tuple[Point, ...]
    front: tuple[Point, ...]
    models: tuple[tuple[str, float, float], ...]
    budgets: tuple[tuple[str, float], ...]
    measured: tuple[tuple[Point, Point], ...] = ()
    intervals: tuple[tuple[float, float, float], ...] = ()
    baselines: tuple[tuple[str, float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class FrontPlot:
    """What a picture of a run shows."""

    title: str
    panels: tuple[PlotPanel, ...]


def front_plot(run: Run) -> FrontPlot:
    """Return what a picture of the run shows: the first objective against each other one.

    Raises:
        RunError: no candidate is complete yet.
    """
    complete, front = run.complete(), run.front()
    if not complete:
        raise RunError(f"{run.folder}: nothing to draw; no candidate is complete")
    y, *across = [objective.name for objective in run.config.objectives]
    others: Sequence[str | None] = across[:_MOST_PANELS] or [None]
    panels = [_panel(run, x, y, complete, front) for x in others]
    title = f"{run.space.name}: {len(front)} on the front of {len(complete)} candidates"
    outside = sum(extrapolated(candidate.scores) for candidate in complete) if y in PREDICTED else 0
    if outside:
        some = outside if outside < len(complete) else "all"
        title += (
            f"\naccuracy is an extrapolation for {some} of them: larger or smaller than all"
            " networks that were trained"
        )
    return FrontPlot(title, tuple(panels))


def _panel(
    run: Run, x: str | None, y: str, complete: list[Candidate], front: list[Candidate]
) -> PlotPanel:
    def point(candidate: Candidate) -> Point:
        return (float(candidate.number) if x is None else candidate.scores[x], candidate.scores[y])

    def measured(candidate: Candidate) -> Point:
        across, up = (run.measured.get(metric or "", {}).get(candidate.key) for metric in (x, y))
        predicted = point(candidate)
        return (across.ms if across else predicted[0], up.ms if up else predicted[1])

    published = set(published_names())
    on_front = {c.number for c in front}
    keys = {key for metric in (x, y) for key in run.measured.get(metric or "", {})}
    models = [(c.origin, *point(c)) for c in complete if c.origin in published]
    bounds = [
        ("x" if b.name == x else "y", b.bound) for b in run.config.budgets if b.name in (x, y)
    ]
    return PlotPanel(
        x,
        y,
        tuple(point(c) for c in complete if c.number not in on_front),
        tuple(sorted(point(c) for c in front)),
        tuple(models),
        tuple(bounds),
        tuple(
            (point(c), measured(c)) for c in complete if c.key in keys and measured(c) != point(c)
        ),
        tuple(
            (point(c)[0], c.scores[ACCURACY_LOW], c.scores[ACCURACY_HIGH])
            for c in front
            if y == ACCURACY
        ),
        (
            tuple(
                (one.name, one.scores[x], one.scores[y])
                for one in run.baselines
                if x in one.scores and y in one.scores
            )
            if x
            else ()
        ),
    )


def draw_plot(run: Run, path: Path) -> Path:
    """Draw a run into a file and return its path.

    Raises:
        RunError: nothing is complete, another kind of file is asked for, or it cannot be written.
    """
    draw_formats(run, [path])
    return path


def draw_formats(run: Run, paths: Sequence[Path]) -> None:
    """Draw a run, and save the drawing in several files.

    Raises:
        RunError: as for :func:`draw`.
    """
    for path in paths:
        if path.suffix.lower() not in SUFFIXES:
            raise RunError(f"{path}: a picture ends in {listing(SUFFIXES)}")
    from matplotlib import rc_context

    figure = _figure(front_plot(run))
    with rc_context({"svg.hashsalt": "mvt-nas"}):  # the same file each time
        for path in paths:
            try:
                figure.savefig(
                    path,
                    dpi=_DPI,
                    metadata={"Date": None} if path.suffix.lower() == ".svg" else None,
                )
            except OSError as error:
                raise RunError(f"{path}: cannot be written ({error.strerror or error})") from None


def _figure(plot: FrontPlot) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4 * len(plot.panels), 5.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Sequence[Axes] = figure.subplots(1, len(plot.panels), squeeze=False)[0]
    texts = [_draw_panel(ax, panel) for ax, panel in zip(axes, plot.panels, strict=True)]
    figure.suptitle(plot.title)
    axes[0].legend(loc="upper left", fontsize=8, framealpha=0.9)
    figure.canvas.draw()  # the layout has to be known before texts can be moved apart
    for ax, names in zip(axes, texts, strict=True):
        _move_apart(ax, names)
    figure.set_layout_engine("none")  # it stays as it is now, whatever it is saved as
    return figure


def _draw_panel(ax: Axes, panel: PlotPanel) -> list[Text]:
    """Draw one pair of axes; return the names of models and baselines, which are still to be moved apart."""
    texts: list[Text] = []
    if panel.others:
        across, up = np.array(panel.others).T
        many = len(panel.others) > _MOST_SHAPES
        ax.scatter(
            across,
            up,
            s=14,
            color=_OTHER,
            alpha=0.7,
            linewidths=0,
            label="candidates",
            rasterized=many,
        )
    if panel.intervals:
        xs, lows, highs = zip(*panel.intervals, strict=True)
        ax.vlines(
            xs,
            lows,
            highs,
            color=_FRONT,
            alpha=0.25,
            linewidth=1.0,
            label="90 % interval",
            zorder=1,
        )
    xs, ys = zip(*panel.front, strict=True)
    ax.scatter(
        xs,
        ys,
        s=30,
        color=_FRONT,
        edgecolors="white",
        linewidths=0.5,
        label="Pareto front",
        zorder=3,
    )
    _draw_measured(ax, panel)
    if panel.models:
        _, xs, ys = zip(*panel.models, strict=True)
        ax.scatter(
            xs,
            ys,
            s=36,
            facecolors="none",
            edgecolors=_MODEL,
            linewidths=1.3,
            marker="s",
            label="published models",
            zorder=4,
        )
        texts = [
            ax.text(x, y, short_name(name), fontsize=6.5, color=_MODEL, zorder=5)
            for name, x, y in panel.models
        ]
    if panel.baselines:
        _, xs, ys = zip(*panel.baselines, strict=True)
        ax.scatter(
            xs,
            ys,
            s=44,
            color=_BASELINE,
            edgecolors="white",
            linewidths=0.7,
            marker="D",
            label="your baseline",
            zorder=6,
        )
        texts += [
            ax.text(x, y, name, fontsize=7.5, color=_BASELINE, zorder=7, parse_math=False)
            for name, x, y in panel.baselines
        ]
    for axis, value in panel.budgets:
        (ax.axvline if axis == "x" else ax.axhline)(
            value, color=_BUDGET, linestyle="--", linewidth=1.2, label="budget"
        )
    _label(ax, panel)
    return texts


def _draw_measured(ax: Axes, panel: PlotPanel) -> None:
    """Draw a marker at each measured value, joined to the predicted one."""
    for (x, y), (measured_x, measured_y) in panel.measured:
        ax.plot([x, measured_x], [y, measured_y], color=_MEASURED, linewidth=0.6, zorder=2)
    if panel.measured:
        xs, ys = zip(*(place for _, place in panel.measured), strict=True)
        ax.scatter(
            xs, ys, s=26, marker="x", color=_MEASURED, linewidths=1.0, label="measured", zorder=4
        )


def _move_apart(ax: Axes, texts: list[Text]) -> None:
    """Move texts off one another and off their points, with a line back to the point."""
    from adjustText import adjust_text

    if texts:
        adjust_text(
            texts,
            ax=ax,
            expand=(1.3, 1.7),
            ensure_inside_axes=True,
            iter_lim=300,
            time_lim=None,
            arrowprops={"arrowstyle": "-", "color": _MODEL, "lw": 0.4},
        )


def _label(ax: Axes, panel: PlotPanel) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    for axis, set_label, name in (
        (ax.xaxis, ax.set_xlabel, panel.x),
        (ax.yaxis, ax.set_ylabel, panel.y),
    ):
        set_label("candidate" if name is None else label(name))
        metric = Metric.find(name) if name else None
        if metric is not None and metric.is_cost:
            (ax.set_xscale if axis is ax.xaxis else ax.set_yscale)("log")
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter(EngFormatter(sep=" "))
            axis.set_minor_formatter(NullFormatter())
    ax.grid(alpha=0.25, linewidth=0.5)
    ax.tick_params(which="both", labelsize=8)
