"""Drawing of the plot of a run with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from adjustText import adjust_text
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from mvt_nas.errors import RunError
from mvt_nas.metrics.metric import Metric
from mvt_nas.report.front_plot import FrontPlot, PlotPanel, Point
from mvt_nas.report.labels import label, short_name

_DPI = 150

# Points off the front that a vector file holds as shapes; more are rasterized.
_MOST_SHAPES = 5_000

# Okabe and Ito's palette, whose colours differ for people who cannot tell red from green.
_FRONT = "#d55e00"
_OTHER = "#9aa5b1"
_MODEL = "#0072b2"
_BUDGET = "#cc79a7"
_MEASURED = "#222222"
_BASELINE = "#000000"


def save_figure(plot: FrontPlot, paths: Sequence[Path]) -> None:
    """Draw a plot once, and save the figure in several files.

    Raises:
        RunError: A file cannot be written.
    """
    figure = _figure(plot)
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


def _figure(plot: FrontPlot) -> Figure:
    figure = Figure(figsize=(6.4 * len(plot.panels), 5.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Sequence[Axes] = figure.subplots(1, len(plot.panels), squeeze=False)[0]
    texts = [_draw_panel(ax, panel) for ax, panel in zip(axes, plot.panels, strict=True)]
    figure.suptitle(plot.title)
    axes[0].legend(loc="lower right", fontsize=8, framealpha=0.9)
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
        _scatter(
            ax,
            panel.others,
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
    _scatter(
        ax,
        panel.front,
        s=30,
        color=_FRONT,
        edgecolors="white",
        linewidths=0.5,
        label="Pareto front",
        zorder=3,
    )
    if panel.extrapolated:
        # Drawn over the filled points, which makes them hollow.
        _scatter(
            ax,
            panel.extrapolated,
            s=30,
            color="white",
            edgecolors=_FRONT,
            linewidths=1.2,
            label="extrapolation",
            zorder=3.5,
        )


def _scatter(ax: Axes, points: Sequence[Point], **style: Any) -> None:
    """Draw points of one kind."""
    xs, ys = np.array(points).T
    ax.scatter(xs, ys, **style)


def _draw_models(ax: Axes, panel: PlotPanel) -> list[Text]:
    """Draw the published models, and return their names in the plot."""
    if not panel.models:
        return []
    _scatter(
        ax,
        [(x, y) for _, x, y in panel.models],
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
    _scatter(
        ax,
        [(x, y) for _, x, y in panel.baselines],
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
        _scatter(
            ax,
            [point for _, point in panel.measured],
            s=26,
            marker="x",
            color=_MEASURED,
            linewidths=1.0,
            label="measured",
            zorder=4,
        )


def _move_apart(ax: Axes, texts: list[Text]) -> None:
    """Move texts off one another and off their points, with a line back to the point."""
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
