"""Pictures with the boxes that were found in them, and how precision falls as more of the objects are found."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mvt_nas.errors import TrainingError
from mvt_nas.training.detection.average_precision import AveragePrecision, ImageDetections

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ACROSS = 4
_SMALLEST_SCORE = 0.3  # of what is drawn; all that counts as found would cover the picture
_MOST_CURVES = 20


def plot_detections(
    pictures: Sequence[tuple[NDArray[np.uint8], ImageDetections]],
    class_names: Sequence[str],
    path: Path,
) -> None:
    """Draw pictures, (H, W, 3), with their objects (white, dashed) and what was found (class and score), in one step.

    Raises:
        TrainingError: the picture cannot be written.
    """
    import matplotlib.figure

    down = -(-len(pictures) // _ACROSS)
    figure = matplotlib.figure.Figure(figsize=(3 * _ACROSS, 3 * down + 0.4), layout="constrained")
    for place, axes in enumerate(figure.subplots(down, _ACROSS, squeeze=False).flat):
        axes.set_axis_off()
        if place < len(pictures):
            _draw_picture(axes, *pictures[place], class_names)
    figure.suptitle(f"found with a score of {_SMALLEST_SCORE:g} and more; dashed: what is there")
    _write(figure, path)


def plot_precision_recall(
    precision: AveragePrecision, class_names: Sequence[str], path: Path
) -> None:
    """Draw precision by recall at an overlap of 0.5, a line for each of the classes with the most to lose, in one step.

    Raises:
        TrainingError: the picture cannot be written.
    """
    import matplotlib.figure

    figure = matplotlib.figure.Figure(figsize=(7.5, 5), layout="constrained")
    axes = figure.subplots()
    there = np.flatnonzero(~np.isnan(precision.by_class))
    for label in there[precision.by_class[there].argsort(kind="stable")][:_MOST_CURVES]:
        name = f"{_plain(class_names[label])}: AP {100 * precision.by_class[label]:.1f} %"
        axes.plot(
            np.linspace(0, 1, precision.precision.shape[1]), precision.precision[label], label=name
        )
    which = (
        "" if len(there) <= _MOST_CURVES else f" (the {_MOST_CURVES} classes that are found worst)"
    )
    axes.set(
        xlabel="share of the objects that are found",
        ylabel="share of the boxes that are right",
        xlim=(0, 1),
        ylim=(0, 1.02),
    )
    axes.set_title(
        f"AP {100 * precision.ap:.1f} %, at an overlap of 0.5 {100 * precision.ap50:.1f} %{which}"
    )
    if len(there):
        figure.legend(loc="outside right upper", fontsize=8)
    _write(figure, path)


def _draw_picture(
    axes: Axes, pixels: NDArray[np.uint8], picture: ImageDetections, class_names: Sequence[str]
) -> None:
    from matplotlib.patches import Rectangle

    height, width = pixels.shape[:2]
    axes.imshow(pixels, interpolation="nearest")
    sides = np.array([width, height, width, height])
    for left, top, right, bottom in picture.corners * sides - 0.5:
        axes.add_patch(
            Rectangle(
                (left, top),
                right - left,
                bottom - top,
                fill=False,
                edgecolor="white",
                linestyle="--",
            )
        )
    for row in picture.found[picture.found[:, 5] >= _SMALLEST_SCORE]:
        (left, top, right, bottom), label = row[:4] * sides - 0.5, int(row[4])
        colour = f"C{label % 10}"
        axes.add_patch(
            Rectangle(
                (left, top), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=1.8
            )
        )
        text = f"{_plain(class_names[label])} {row[5]:.2f}"
        axes.text(
            left,
            top,
            text,
            fontsize=7,
            color="white",
            va="bottom",
            bbox={"facecolor": colour, "pad": 0.8, "linewidth": 0},
        )


def _plain(name: str) -> str:
    return name.replace("$", r"\$")[:24]  # which would begin a formula


def _write(figure: Figure, path: Path) -> None:
    building = path.with_name(f".{path.name}.new")
    try:
        figure.savefig(building, format="png", dpi=110)
        os.replace(building, path)
    except OSError as error:
        raise TrainingError(f"{path}: cannot be written ({error.strerror or error})") from None
