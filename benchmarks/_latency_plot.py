"""The picture of predicted against measured latency, by what kind of blocks a network has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mvt_nas.space.architecture import Architecture

# Distinguishable by the colour-blind (Okabe and Ito), and by shape.
_STYLES = {
    "multi-head": ("#0072B2", "o"),
    "separable": ("#E69F00", "s"),
    "both": ("#009E73", "^"),
    "convolutions only": ("#CC79A7", "D"),
}


@dataclass(frozen=True, slots=True)
class Point:
    """A network that no model was fitted to.

    Attributes:
        name: its title.
        architecture: itself.
        ms: as measured.
        predicted: by model.
    """

    name: str
    architecture: Architecture
    ms: float
    predicted: Mapping[str, float]


def kind(architecture: Architecture) -> str:
    """Return which attention a network's blocks have."""
    found = {getattr(stage.block, "attention", None) for stage in architecture.stages} - {None}
    if not found:
        return "convolutions only"
    return (
        "both"
        if len(found) > 1
        else {"multi_head": "multi-head", "separable": "separable"}[str(found.pop())]
    )


def draw(points: Sequence[Point], models: Sequence[str], noise: float, path: Path) -> None:
    """Write the picture: predicted over measured for the first model, and the errors of all models by kind of network."""
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


def _scatter(axes: Any, points: Sequence[Point], model: str) -> None:
    ends = np.array([0.8 * min(p.ms for p in points), 1.25 * max(p.ms for p in points)])
    axes.fill_between(ends, 0.9 * ends, 1.1 * ends, color="#dddddd", linewidth=0, label="±10 %")
    axes.plot(ends, ends, color="#888888", linewidth=0.8)
    for name, (colour, marker) in _STYLES.items():
        members = [p for p in points if kind(p.architecture) == name]
        if members:
            label = f"{name} ({len(members)})"
            axes.plot(
                [p.ms for p in members],
                [p.predicted[model] for p in members],
                marker,
                color=colour,
                markersize=5,
                label=label,
            )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="measured ms",
        ylabel="predicted ms",
        xlim=ends,
        ylim=ends,
    )
    axes.set_title(f"{len(points)} networks that it was not fitted to", fontsize="medium")
    axes.legend(frameon=False, loc="upper left")


def _errors(axes: Any, points: Sequence[Point], models: Sequence[str], noise: float) -> None:
    kinds = [name for name in _STYLES if any(kind(p.architecture) == name for p in points)]
    rng = np.random.default_rng(0)
    for row, model in enumerate(models):
        for place, name in enumerate(kinds):
            errors = np.array(
                [
                    100 * (p.predicted[model] / p.ms - 1)
                    for p in points
                    if kind(p.architecture) == name
                ]
            )
            height = row * (len(kinds) + 1) + place
            colour, marker = _STYLES[name]
            axes.plot(
                errors,
                height + rng.uniform(-0.25, 0.25, len(errors)),
                marker,
                color=colour,
                markersize=4,
                alpha=0.8,
            )
        mape = np.mean([abs(100 * (p.predicted[model] / p.ms - 1)) for p in points])
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
        "errors by kind of network (grey: ±10 %, darker: noise of measuring)", fontsize="medium"
    )
