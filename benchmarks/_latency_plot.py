"""Plot of predicted against measured latency, by the kinds of blocks in the networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.space.architecture import Architecture

# Distinguishable by colour-blind readers (Okabe and Ito), and by marker.
_STYLES = {
    "multi-head": ("#0072B2", "o"),
    "separable": ("#E69F00", "s"),
    "both": ("#009E73", "^"),
    "convolutions only": ("#CC79A7", "D"),
}


@dataclass(frozen=True, slots=True)
class Point:
    """A network of the test set, which no model was fitted to.

    Attributes:
        name: Name of the network.
        architecture: Its architecture.
        ms: Its measured latency, in milliseconds.
        predicted: Its predicted latency in milliseconds, by name of the model.
    """

    name: str
    architecture: Architecture
    ms: float
    predicted: Mapping[str, float]


def kind(architecture: Architecture) -> str:
    """Return the kind of attention in a network's blocks, a key of ``_STYLES``."""
    found = {getattr(stage.block, "attention", None) for stage in architecture.stages} - {None}
    if not found:
        return "convolutions only"
    if len(found) > 1:
        return "both"
    return {"multi_head": "multi-head", "separable": "separable"}[str(found.pop())]


def draw(points: Sequence[Point], models: Sequence[str], noise: float, path: Path) -> None:
    """Plot the predictions of some models into a file.

    Left: predicted over measured latency of the first model. Right: the errors of all models by
    kind of network.

    Args:
        points: The networks of the test set.
        models: Names of the models.
        noise: Relative noise of the measurement, drawn as a band.
        path: Image file to write.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(
        1, 2, figsize=(11, 4.8), width_ratios=(1, 1.25), layout="constrained"
    )
    _scatter(left, points, models[0])
    _errors(right, points, models, noise)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _of_kind(points: Sequence[Point], name: str) -> list[Point]:
    return [point for point in points if kind(point.architecture) == name]


def _errors_percent(points: Sequence[Point], model: str) -> FloatArray:
    return np.array([100 * (point.predicted[model] / point.ms - 1) for point in points])


def _scatter(axes: Any, points: Sequence[Point], model: str) -> None:
    ms = [point.ms for point in points]
    ends = np.array([0.8 * min(ms), 1.25 * max(ms)])
    axes.fill_between(ends, 0.9 * ends, 1.1 * ends, color="#dddddd", linewidth=0, label="±10 %")
    axes.plot(ends, ends, color="#888888", linewidth=0.8)
    for name, (colour, marker) in _STYLES.items():
        members = _of_kind(points, name)
        if members:
            axes.plot(
                [point.ms for point in members],
                [point.predicted[model] for point in members],
                marker,
                color=colour,
                markersize=5,
                label=f"{name} ({len(members)})",
            )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="measured ms",
        ylabel="predicted ms",
        xlim=ends,
        ylim=ends,
    )
    axes.set_title(f"{len(points)} networks of the test set", fontsize="medium")
    axes.legend(frameon=False, loc="upper left")


def _errors(axes: Any, points: Sequence[Point], models: Sequence[str], noise: float) -> None:
    kinds = [name for name in _STYLES if _of_kind(points, name)]
    rng = np.random.default_rng(0)
    for row, model in enumerate(models):
        for position, name in enumerate(kinds):
            errors = _errors_percent(_of_kind(points, name), model)
            # One line of the plot a kind, and an empty one between models.
            height = row * (len(kinds) + 1) + position
            colour, marker = _STYLES[name]
            axes.plot(
                errors,
                height + rng.uniform(-0.25, 0.25, len(errors)),
                marker,
                color=colour,
                markersize=4,
                alpha=0.8,
            )
        mape = np.abs(_errors_percent(points, model)).mean()
        middle = row * (len(kinds) + 1) + (len(kinds) - 1) / 2
        axes.annotate(
            f"{model}\n{mape:.1f} % mean error",
            (1.01, middle),
            xycoords=("axes fraction", "data"),
            va="center",
        )
    axes.axvspan(-10, 10, color="#eeeeee", zorder=0)
    axes.axvspan(-100 * noise, 100 * noise, color="#cccccc", zorder=0)
    axes.axvline(0, color="#888888", linewidth=0.8)
    axes.set(xlabel="error of the prediction, %", yticks=[])
    axes.invert_yaxis()
    axes.set_title(
        "errors by kind of network (grey: ±10 %, dark grey: measurement noise)", fontsize="medium"
    )
