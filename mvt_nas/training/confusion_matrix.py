"""A picture of which classes a network takes for which."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas.errors import TrainingError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_NAMES = 120
_MOST_FIGURES = 20
_LONGEST_NAME = 24


def plot_confusion_matrix(
    confusion: NDArray[np.int64], class_names: Sequence[str], path: Path, counted: str = "pictures"
) -> None:
    """Draw what is counted by true class (rows, each adding up to 100 %) and by that which it was taken for, in one step.

    Raises:
        TrainingError: the picture cannot be written.
    """
    import matplotlib.figure

    count = len(class_names)
    side = min(24.0, max(5.0, 0.22 * min(count, _MOST_NAMES) + 3))
    figure = matplotlib.figure.Figure(figsize=(side, side * 0.9), layout="constrained")
    axes = figure.subplots()
    shares = 100 * confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    image = axes.imshow(shares, vmin=0, vmax=100, cmap="Blues", interpolation="nearest")
    figure.colorbar(image, ax=axes, label="share of the true class, %", shrink=0.8)
    axes.set(xlabel="taken for", ylabel="true class", title=_title(confusion, counted))
    _name(axes, class_names)
    if count <= _MOST_FIGURES:
        _write_figures(
            axes, confusion, shares, in_shares=counted == "pixels"
        )  # of which there are millions
    building = path.with_name(f".{path.name}.new")
    try:
        figure.savefig(building, format="png", dpi=120)
        os.replace(building, path)
    except OSError as error:
        raise TrainingError(f"{path}: cannot be written ({error.strerror or error})") from None


def _title(confusion: NDArray[np.int64], counted: str) -> str:
    right, total = int(np.trace(confusion)), int(confusion.sum())
    return (
        f"{right} of {total} validation {counted} are right ({100 * right / max(total, 1):.1f} %)"
    )


def _name(axes: Axes, class_names: Sequence[str]) -> None:
    """Write the classes at both axes; of very many, every so many only."""
    places = range(0, len(class_names), -(-len(class_names) // _MOST_NAMES))
    names = [_short(class_names[place]) for place in places]
    size = 10 if len(names) <= 20 else 7
    axes.set_xticks(list(places), names, rotation=90, fontsize=size)
    axes.set_yticks(list(places), names, fontsize=size)


def _short(name: str) -> str:
    plain = name.replace("$", r"\$")  # which would begin a formula
    return plain if len(name) <= _LONGEST_NAME else f"{plain[: _LONGEST_NAME - 1]}…"


def _write_figures(
    axes: Axes, confusion: NDArray[np.int64], shares: NDArray[Any], *, in_shares: bool
) -> None:
    for row, column in zip(*np.nonzero(confusion), strict=True):
        colour = "white" if shares[row, column] > 55 else "black"
        figure = f"{shares[row, column]:.1f}" if in_shares else str(confusion[row, column])
        axes.text(column, row, figure, ha="center", va="center", color=colour, fontsize=8)
