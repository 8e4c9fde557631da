"""COCO's average precision, by COCO's own evaluation (pycocotools).

Source: Lin et al., arXiv 1405.0312; the mean over IoU thresholds of 0.5 to 0.95 in steps of 0.05,
over classes, and over 101 recalls; the best 100 boxes of an image count.
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
from mvt_nas._typing import BoolArray, FloatArray
from mvt_nas.errors import TrainingError

# Positions in COCOeval's table (thresholds, recalls, classes, sizes of objects, limits of boxes).
_ALL_SIZES = 0
_LIMIT_100 = 2
_IOU_50 = 0


@dataclass(frozen=True, slots=True, eq=False)
class ImageDetections:
    """The objects and the detections of an image; corners in sides of the image.

    Attributes:
        corners: Objects, (n, 4).
        labels: (n,), from 0.
        ignored: (n,), whether detecting an object counts neither for nor against.
        found: Detections, (m, 6): corners, label and score.
    """

    corners: FloatArray
    labels: NDArray[np.int64]
    ignored: BoolArray
    found: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class AveragePrecision:
    """Average precision; a class without objects is left out of the means.

    Attributes:
        ap: Mean over IoU thresholds of 0.5 to 0.95 and classes, 0 to 1.
        ap50: Mean over classes at an IoU threshold of 0.5.
        by_class: (classes,), AP of each class; NaN without objects.
        precision: (classes, 101), at an IoU threshold of 0.5, by recall from 0 to 1; NaN without
            objects.
    """

    ap: float
    ap50: float
    by_class: FloatArray
    precision: FloatArray


def check_installed() -> None:
    """Check that detectors can be evaluated.

    Raises:
        TrainingError: pycocotools is not installed.
    """
    if not installed("pycocotools"):
        raise TrainingError(
            "pycocotools is not installed, which evaluates detectors; pip install 'mvt-nas[train]'"
        )


def average_precision(images: Sequence[ImageDetections], num_classes: int) -> AveragePrecision:
    """Return the average precision over some images."""
    from pycocotools import coco, cocoeval

    # It prints its progress.
    with contextlib.redirect_stdout(io.StringIO()):
        truth = _indexed(coco.COCO(), _objects(images), len(images), num_classes)
        found = _indexed(coco.COCO(), _detections(images), len(images), num_classes)
        evaluation = cocoeval.COCOeval(truth, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    # (thresholds, recalls, classes), -1 without objects
    precision = np.asarray(evaluation.eval["precision"])[:, :, :, _ALL_SIZES, _LIMIT_100]
    precision = np.where(precision > -1, precision, np.nan)
    has_objects = ~np.isnan(precision[0, 0])
    by_class = np.where(has_objects, np.nan_to_num(precision).mean((0, 1)), np.nan)
    by_class_50 = np.nan_to_num(precision[_IOU_50]).mean(0)
    ap, ap50 = 0.0, 0.0
    if has_objects.any():
        ap, ap50 = float(by_class[has_objects].mean()), float(by_class_50[has_objects].mean())
    return AveragePrecision(ap, ap50, by_class, precision[_IOU_50].T)


def _indexed(data: Any, boxes: list[dict[str, Any]], images: int, num_classes: int) -> Any:
    """Return an empty data set of pycocotools, filled with boxes."""
    data.dataset = {
        "images": [{"id": number} for number in range(images)],
        "annotations": boxes,
        "categories": [{"id": label, "name": str(label)} for label in range(num_classes)],
    }
    data.createIndex()
    return data


def _objects(images: Sequence[ImageDetections]) -> list[dict[str, Any]]:
    """Return the objects of all images as COCO's annotations."""
    boxes: list[dict[str, Any]] = []
    for number, image in enumerate(images):
        columns = zip(image.corners, image.labels, image.ignored, strict=True)
        for corners, label, ignored in columns:
            box = _box(len(boxes) + 1, number, corners, int(label))
            boxes.append(box | {"iscrowd": int(ignored)})
    return boxes


def _detections(images: Sequence[ImageDetections]) -> list[dict[str, Any]]:
    """Return the detections of all images as COCO's results."""
    boxes: list[dict[str, Any]] = []
    for number, image in enumerate(images):
        for row in image.found:
            box = _box(len(boxes) + 1, number, row[:4], int(row[4]))
            boxes.append(box | {"score": float(row[5])})
    return boxes


def _box(number: int, image: int, corners: FloatArray, label: int) -> dict[str, Any]:
    """Return a box as COCO has it; numbers start at 1, since its evaluation takes a 0 for none."""
    left, top, right, bottom = corners.tolist()
    width, height = right - left, bottom - top
    return {
        "id": number,
        "image_id": image,
        "category_id": label,
        "bbox": [left, top, width, height],
        "area": width * height,
        "iscrowd": 0,
    }
