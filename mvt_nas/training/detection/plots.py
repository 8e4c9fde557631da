"""Plots of images with their detections, and of precision by recall."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from mvt_nas._io import atomic_write
from mvt_nas.errors import TrainingError
from mvt_nas.training.detection.average_precision import AveragePrecision, ImageDetections

_COLUMNS = 4
_MIN_SCORE = 0.3
"""Smallest score of plotted boxes; all that count as detections would cover the image."""

_MAX_CURVES = 20


def plot_detections(
    images: Sequence[tuple[NDArray[np.uint8], ImageDetections]],
    class_names: Sequence[str],
    path: Path,
) -> None:
    """Plot images with their objects (white, dashed) and their detections (class and score).

    Args:
        images: Pixels, (H, W, 3), in RGB, and boxes of each image.
        class_names: Names of the classes, by label.
        path: PNG file to write.

    Raises:
        TrainingError: the plot cannot be written.
    """
    rows = -(-len(images) // _COLUMNS)
    figure = Figure(figsize=(3 * _COLUMNS, 3 * rows + 0.4), layout="constrained")
    for number, axes in enumerate(figure.subplots(rows, _COLUMNS, squeeze=False).flat):
        axes.set_axis_off()
        if number < len(images):
            _plot_image(axes, *images[number], class_names)
    figure.suptitle(f"detections with a score of {_MIN_SCORE:g} and more; dashed: objects")
    _write(figure, path)


def plot_precision_recall(
    precision: AveragePrecision, class_names: Sequence[str], path: Path
) -> None:
    """Plot precision by recall at an IoU threshold of 0.5, for the classes with the lowest AP.

    Raises:
        TrainingError: the plot cannot be written.
    """
    figure = Figure(figsize=(7.5, 5), layout="constrained")
    axes = figure.subplots()
    labels = np.flatnonzero(~np.isnan(precision.by_class))
    worst_first = labels[precision.by_class[labels].argsort(kind="stable")]
    for label in worst_first[:_MAX_CURVES]:
        name = f"{_plain(class_names[label])}: AP {100 * precision.by_class[label]:.1f} %"
        axes.plot(
            np.linspace(0, 1, precision.precision.shape[1]), precision.precision[label], label=name
        )
    which = f" (the {_MAX_CURVES} classes with the lowest AP)" if len(labels) > _MAX_CURVES else ""
    axes.set(
        xlabel="recall: share of the objects that are detected",
        ylabel="precision: share of the detections that are right",
        xlim=(0, 1),
        ylim=(0, 1.02),
    )
    axes.set_title(f"AP {100 * precision.ap:.1f} %, AP50 {100 * precision.ap50:.1f} %{which}")
    if len(labels):
        figure.legend(loc="outside right upper", fontsize=8)
    _write(figure, path)


def _plot_image(
    axes: Axes, pixels: NDArray[np.uint8], detections: ImageDetections, class_names: Sequence[str]
) -> None:
    height, width = pixels.shape[:2]
    axes.imshow(pixels, interpolation="nearest")
    sides = np.array([width, height, width, height])
    # Matplotlib's coordinates are those of the centres of pixels.
    for left, top, right, bottom in detections.corners * sides - 0.5:
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
    for row in detections.found[detections.found[:, 5] >= _MIN_SCORE]:
        left, top, right, bottom = row[:4] * sides - 0.5
        label = int(row[4])
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
    # A dollar sign would start a formula.
    return name.replace("$", r"\$")[:24]


def _write(figure: Figure, path: Path) -> None:
    with atomic_write(path, error=TrainingError) as file:
        figure.savefig(file, format="png", dpi=110)
