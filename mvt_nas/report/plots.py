"""Plot of a run: candidates, front, budgets, published models, measured latencies, baselines.

:class:`FrontPlot` holds the content of the plot, which tests check; matplotlib draws it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mvt_nas.errors import RunError, listing
from mvt_nas.metrics.metric import Metric
from mvt_nas.metrics.names import INTERVALS, extrapolated
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

# Points off the front that a vector file holds as shapes; more are rasterized.
_MOST_SHAPES = 5_000

# Okabe and Ito's palette, whose colours differ for people who cannot tell red from green.
_FRONT = "#d55e00"
_OTHER = "#9aa5b1"
_MODEL = "#0072b2"
_BUDGET = "#cc79a7"
_MEASURED = "#222222"
_BASELINE = "#000000"

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class PlotPanel:
    """Content of one pair of axes.

    Attributes:
        x: Metric on the horizontal axis; ``None`` for the candidate's number.
        y: Metric on the vertical axis.
        others: Points off the front.
        front: Points on the front, in order of x.
        extrapolated: Those among them whose accuracy is an extrapolation.
        models: Name and point of each published model among the candidates.
        budgets: Axis (``"x"`` or ``"y"``) and value of each bound.
        measured: Predicted and measured point of each candidate with a measured latency.
        intervals: x, low end and high end of each point on the front whose y has an interval.
        baselines: Name and point of each baseline with known values for both axes.
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
    extrapolated: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class FrontPlot:
    """Content of the plot of a run.

    Attributes:
        title: Title above the panels.
        panels: Pairs of axes, from left to right.
    """

    title: str
    panels: tuple[PlotPanel, ...]


def front_plot(run: Run) -> FrontPlot:
    """Return the plot of a run: the first objective against each other one.

    Raises:
        RunError: No candidate is complete yet.
    """
    complete = run.complete()
    if not complete:
        raise RunError(f"{run.folder}: nothing to draw; no candidate is complete")
    front = run.front()
    y, *other_objectives = [objective.name for objective in run.config.objectives]
    xs: Sequence[str | None] = other_objectives[:_MOST_PANELS] or [None]
    title = f"{run.space.name}: {len(front)} on the front of {len(complete)} candidates"
    extrapolations = sum(extrapolated(candidate.scores, y) for candidate in complete)
    if extrapolations:
        count = "all" if extrapolations == len(complete) else extrapolations
        title += (
            f"\nhollow: accuracy is an extrapolation for {count} of them, unlike all networks that"
            " were trained or published"
        )
    return FrontPlot(title, tuple(_panel(run, x, y, complete, front) for x in xs))


def _panel(
    run: Run, x: str | None, y: str, complete: list[Candidate], front: list[Candidate]
) -> PlotPanel:
    def predicted_point(candidate: Candidate) -> Point:
        across = float(candidate.number) if x is None else candidate.scores[x]
        return across, candidate.scores[y]

    on_front = {candidate.number for candidate in front}
    published = set(published_names())
    budgets = [
        ("x" if budget.name == x else "y", budget.bound)
        for budget in run.config.budgets
        if budget.name in (x, y)
    ]
    intervals: list[tuple[float, float, float]] = []
    low, high = INTERVALS.get(y, ("", ""))
    for candidate in front:
        across, _ = predicted_point(candidate)
        if low in candidate.scores and high in candidate.scores:
            intervals.append((across, candidate.scores[low], candidate.scores[high]))
    return PlotPanel(
        x,
        y,
        others=tuple(predicted_point(c) for c in complete if c.number not in on_front),
        front=tuple(sorted(predicted_point(c) for c in front)),
        extrapolated=tuple(sorted(predicted_point(c) for c in front if extrapolated(c.scores, y))),
        models=tuple((c.origin, *predicted_point(c)) for c in complete if c.origin in published),
        budgets=tuple(budgets),
        measured=tuple(_measured_points(run, x, y, complete, predicted_point)),
        intervals=tuple(intervals),
        baselines=tuple(
            (baseline.name, baseline.scores[x], baseline.scores[y])
            for baseline in run.baselines
            if x is not None and x in baseline.scores and y in baseline.scores
        ),
    )


def _measured_points(
    run: Run,
    x: str | None,
    y: str,
    candidates: Sequence[Candidate],
    predicted_point: Callable[[Candidate], Point],
) -> Iterator[tuple[Point, Point]]:
    """Yield the predicted and the measured point of each candidate with a measured latency."""
    records_of_x = {} if x is None else run.measured.get(x, {})
    records_of_y = run.measured.get(y, {})
    for candidate in candidates:
        record_x = records_of_x.get(candidate.key)
        record_y = records_of_y.get(candidate.key)
        predicted = predicted_point(candidate)
        measured = (
            record_x.ms if record_x else predicted[0],
            record_y.ms if record_y else predicted[1],
        )
        if measured != predicted:
            yield predicted, measured


def draw_plot(run: Run, path: Path) -> Path:
    """Draw a run into a file and return its path.

    Raises:
        RunError: Nothing is complete, the format is unknown, or the file cannot be written.
    """
    draw_formats(run, [path])
    return path


def draw_formats(run: Run, paths: Sequence[Path]) -> None:
    """Draw a run once, and save the figure in several files.

    Raises:
        RunError: As for :func:`draw_plot`.
    """
    for path in paths:
        if path.suffix.lower() not in SUFFIXES:
            raise RunError(f"{path}: the suffix of a plot is {listing(SUFFIXES)}")
    from matplotlib import rc_context

    figure = _figure(front_plot(run))
    # The salt makes the identifiers in SVG files reproducible.
    with rc_context({"svg.hashsalt": "mvt-nas"}):
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
    # The layout has to be known before texts can be moved apart, and must not change afterwards.
    figure.canvas.draw()
    for ax, names in zip(axes, texts, strict=True):
        _move_apart(ax, names)
    figure.set_layout_engine("none")
    return figure


def _draw_panel(ax: Axes, panel: PlotPanel) -> list[Text]:
    """Draw one pair of axes; return the names of models and baselines, which may overlap."""
    _draw_candidates(ax, panel)
    _draw_measured(ax, panel)
    texts = [*_draw_models(ax, panel), *_draw_baselines(ax, panel)]
    for axis, value in panel.budgets:
        draw_line = ax.axvline if axis == "x" else ax.axhline
        draw_line(value, color=_BUDGET, linestyle="--", linewidth=1.2, label="budget")
    _label(ax, panel)
    return texts


def _draw_candidates(ax: Axes, panel: PlotPanel) -> None:
    """Draw the front with its intervals, and the other candidates."""
    if panel.others:
        xs, ys = np.array(panel.others).T
        ax.scatter(
            xs,
            ys,
            s=14,
            color=_OTHER,
            alpha=0.7,
            linewidths=0,
            label="candidates",
            rasterized=len(panel.others) > _MOST_SHAPES,
        )
    if panel.intervals:
        xs, lows, highs = np.array(panel.intervals).T
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
    xs, ys = np.array(panel.front).T
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
    if panel.extrapolated:
        xs, ys = np.array(panel.extrapolated).T
        # Drawn over the filled points, which makes them hollow.
        ax.scatter(
            xs,
            ys,
            s=30,
            color="white",
            edgecolors=_FRONT,
            linewidths=1.2,
            label="extrapolation",
            zorder=3.5,
        )


def _draw_models(ax: Axes, panel: PlotPanel) -> list[Text]:
    """Draw the published models, and return their names in the plot."""
    if not panel.models:
        return []
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
    return [
        ax.text(x, y, short_name(name), fontsize=6.5, color=_MODEL, zorder=5)
        for name, x, y in panel.models
    ]


def _draw_baselines(ax: Axes, panel: PlotPanel) -> list[Text]:
    """Draw the baselines, and return their names in the plot."""
    if not panel.baselines:
        return []
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
    return [
        ax.text(x, y, name, fontsize=7.5, color=_BASELINE, zorder=7, parse_math=False)
        for name, x, y in panel.baselines
    ]


def _draw_measured(ax: Axes, panel: PlotPanel) -> None:
    """Draw a marker at each measured point, and a line to the predicted one."""
    for (x, y), (measured_x, measured_y) in panel.measured:
        ax.plot([x, measured_x], [y, measured_y], color=_MEASURED, linewidth=0.6, zorder=2)
    if panel.measured:
        xs, ys = zip(*(point for _, point in panel.measured), strict=True)
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
