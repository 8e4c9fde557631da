"""Average precision as COCO counts it, by its own evaluation (pycocotools).

Source: Lin et al., arXiv 1405.0312; the mean over overlaps of 0.5 to 0.95 in steps of 0.05, over
classes, and over 101 recalls; the best 100 boxes of a picture count.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas._optional import installed
from mvt_nas.errors import TrainingError

_ALL_SIZES, _HUNDRED = 0, 2  # places in the tables of COCOeval
_HALF = 0


@dataclass(frozen=True, slots=True, eq=False)
class ImageDetections:
    """The truth about a picture, and what was found in it; corners in sides of the picture.

    Attributes:
        corners: (n, 4), of the objects.
        labels: (n,), from 0.
        ignored: (n,), whether finding an object counts neither for nor against.
        found: (m, 6), corners, label and score.
    """

    corners: NDArray[np.float64]
    labels: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    found: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class AveragePrecision:
    """How well objects are found; a class without objects counts nowhere.

    Attributes:
        ap: mean over overlaps of 0.5 to 0.95 and classes, 0 to 1.
        ap50: mean over classes at an overlap of 0.5.
        by_class: (classes,), the part of ``ap`` of each; NaN without objects.
        precision: (classes, 101), at an overlap of 0.5, by recall from 0 to 1; NaN without objects.
    """

    ap: float
    ap50: float
    by_class: NDArray[np.float64]
    precision: NDArray[np.float64]


def check_installed() -> None:
    """Refuse to go on without what counts.

    Raises:
        TrainingError: pycocotools is not installed.
    """
    if not installed("pycocotools"):
        raise TrainingError(
            "pycocotools is not installed, which judges detectors; pip install 'mvt-nas[train]'"
        )


def average_precision(pictures: Sequence[ImageDetections], num_classes: int) -> AveragePrecision:
    """Return how well the objects in some pictures were found."""
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # it tells its progress
        truth = _coco(_truth(pictures), len(pictures), num_classes)
        found = _coco(_found(pictures), len(pictures), num_classes)
        judge = COCOeval(truth, found, "bbox")
        judge.evaluate()
        judge.accumulate()
    precision = np.asarray(judge.eval["precision"])[
        :, :, :, _ALL_SIZES, _HUNDRED
    ]  # (overlaps, recalls, classes), -1 without objects
    precision = np.where(precision > -1, precision, np.nan)
    there = ~np.isnan(precision[0, 0])
    by_class = np.where(there, np.nan_to_num(precision).mean((0, 1)), np.nan)
    half = np.nan_to_num(precision[_HALF]).mean(0)
    means = (
        (float(by_class[there].mean()), float(half[there].mean())) if there.any() else (0.0, 0.0)
    )
    return AveragePrecision(*means, by_class, precision[_HALF].T)


def _coco(boxes: list[dict[str, Any]], pictures: int, num_classes: int) -> Any:
    from pycocotools.coco import COCO

    result = COCO()
    categories = [{"id": label, "name": str(label)} for label in range(num_classes)]
    result.dataset = {
        "images": [{"id": number} for number in range(pictures)],
        "annotations": boxes,
        "categories": categories,
    }
    result.createIndex()
    return result


def _truth(pictures: Sequence[ImageDetections]) -> list[dict[str, Any]]:
    rows = [
        (number, corners, label, ignored)
        for number, picture in enumerate(pictures)
        for corners, label, ignored in zip(
            picture.corners, picture.labels, picture.ignored, strict=True
        )
    ]
    return [
        _box(place, number, corners, int(label)) | {"iscrowd": int(ignored)}
        for place, (number, corners, label, ignored) in enumerate(rows, start=1)
    ]


def _found(pictures: Sequence[ImageDetections]) -> list[dict[str, Any]]:
    rows = [(number, row) for number, picture in enumerate(pictures) for row in picture.found]
    return [
        _box(place, number, row[:4], int(row[4])) | {"score": float(row[5])}
        for place, (number, row) in enumerate(rows, start=1)
    ]


def _box(place: int, picture: int, corners: NDArray[np.float64], label: int) -> dict[str, Any]:
    """Return a box as COCO has it; numbers begin with 1, since its evaluation takes a 0 for none."""
    left, top, right, bottom = corners.tolist()
    width, height = right - left, bottom - top
    return {
        "id": place,
        "image_id": picture,
        "category_id": label,
        "bbox": [left, top, width, height],
        "area": width * height,
        "iscrowd": 0,
    }
