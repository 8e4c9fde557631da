"""Plots of the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mvt_nas._io import atomic_write
from mvt_nas.errors import TrainingError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_NAMES = 120
_MAX_NUMBERED_CLASSES = 20
_MAX_NAME_LENGTH = 24


def plot_confusion_matrix(
    confusion: NDArray[np.int64], class_names: Sequence[str], path: Path, counted: str = "images"
) -> None:
    """Plot counts by true class (rows, each adding up to 100 %) and predicted class.

    Args:
        confusion: (classes, classes), rows are true classes.
        class_names: Names of the classes, by label.
        path: PNG file to write.
        counted: Plural noun of what is counted, ``"images"`` or ``"pixels"``.

    Raises:
        TrainingError: the plot cannot be written.
    """
    count = len(class_names)
    side = min(24.0, max(5.0, 0.22 * min(count, _MAX_NAMES) + 3))
    figure = Figure(figsize=(side, side * 0.9), layout="constrained")
    axes = figure.subplots()
    shares = 100 * confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    image = axes.imshow(shares, vmin=0, vmax=100, cmap="Blues", interpolation="nearest")
    figure.colorbar(image, ax=axes, label="share of the true class, %", shrink=0.8)
    axes.set(xlabel="predicted class", ylabel="true class", title=_title(confusion, counted))
    _label_axes(axes, class_names)
    if count <= _MAX_NUMBERED_CLASSES:
        # Of pixels there are millions, so they are given in percent.
        _write_numbers(axes, confusion, shares, in_percent=counted == "pixels")
    with atomic_write(path, error=TrainingError) as file:
        figure.savefig(file, format="png", dpi=120)


def _title(confusion: NDArray[np.int64], counted: str) -> str:
    right, total = int(np.trace(confusion)), int(confusion.sum())
    share = 100 * right / max(total, 1)
    return f"{right} of {total} validation {counted} are right ({share:.1f} %)"


def _label_axes(axes: Axes, class_names: Sequence[str]) -> None:
    """Write the names of the classes at both axes, evenly thinned out if there are many."""
    positions = range(0, len(class_names), -(-len(class_names) // _MAX_NAMES))
    names = [_short(class_names[position]) for position in positions]
    size = 10 if len(names) <= 20 else 7
    axes.set_xticks(list(positions), names, rotation=90, fontsize=size)
    axes.set_yticks(list(positions), names, fontsize=size)


def _short(name: str) -> str:
    # A dollar sign would start a formula.
    plain = name.replace("$", r"\$")
    return plain if len(name) <= _MAX_NAME_LENGTH else f"{plain[: _MAX_NAME_LENGTH - 1]}…"


def _write_numbers(
    axes: Axes, confusion: NDArray[np.int64], shares: NDArray[Any], *, in_percent: bool
) -> None:
    for row, column in zip(*np.nonzero(confusion), strict=True):
        share = shares[row, column]
        text = f"{share:.1f}" if in_percent else str(confusion[row, column])
        colour = "white" if share > 55 else "black"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
