"""A random crop of an image that holds enough of its objects.

Source: arXiv 1512.02325, Section 2.2, data augmentation: the crop overlaps an object by 0.1, 0.3,
0.5, 0.7 or 0.9 at least, or is any; its sides are in a ratio from 1/2 to 2; objects whose centre is
inside are kept.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mvt_nas._typing import BoolArray, FloatArray
from mvt_nas.data.annotated_source import ObjectBoxes
from mvt_nas.data.decode import Box

_OVERLAPS = (0.1, 0.3, 0.5, 0.7, 0.9, -1.0)
_RATIOS = (0.5, 2.0)
_ATTEMPTS = 50


def random_box_crop(
    width: int, height: int, boxes: ObjectBoxes, smallest_side: float, random: np.random.Generator
) -> Box:
    """Return a random crop of an image, or the whole of it if none of fifty crops suits.

    Args:
        width: Width of the image, in pixels.
        height: Height of the image, in pixels.
        boxes: Objects of the image.
        smallest_side: Smallest side of the crop, in sides of the image.
        random: Source of randomness.
    """
    smallest_overlap = _OVERLAPS[int(random.integers(len(_OVERLAPS)))]
    corners = boxes.corners[~boxes.ignored]
    for _ in range(_ATTEMPTS):
        crop_width = random.uniform(smallest_side, 1.0) * width
        crop_height = random.uniform(smallest_side, 1.0) * height
        left = random.uniform(0, width - crop_width)
        top = random.uniform(0, height - crop_height)
        if not _RATIOS[0] <= crop_width / crop_height <= _RATIOS[1]:
            continue
        crop = (left, top, left + crop_width, top + crop_height)
        if not len(corners) or _suits(np.array(crop), corners, smallest_overlap):
            return crop
    return 0.0, 0.0, float(width), float(height)


def _suits(crop: FloatArray, corners: FloatArray, smallest_overlap: float) -> bool:
    """Return True if a crop overlaps an object by enough, and holds the centre of one."""
    overlaps = _overlaps(crop, corners).max() >= smallest_overlap
    return bool(overlaps and _contains_centre(crop, corners).any())


def boxes_in(boxes: ObjectBoxes, crop: Box) -> ObjectBoxes:
    """Return the objects whose centre is in a crop, clipped at its edges, in its pixels."""
    edges = np.array(crop)
    kept = _contains_centre(edges, boxes.corners)
    top_left, bottom_right = np.tile(edges[:2], 2), np.tile(edges[2:], 2)
    corners = boxes.corners[kept].clip(top_left, bottom_right) - top_left
    return ObjectBoxes(corners, boxes.labels[kept], boxes.ignored[kept])


def flip_boxes(boxes: ObjectBoxes, width: float) -> ObjectBoxes:
    """Return the objects of an image of some width after a horizontal flip."""
    left, top, right, bottom = boxes.corners.T
    return replace(boxes, corners=np.stack([width - right, top, width - left, bottom], 1))


def _contains_centre(crop: FloatArray, corners: FloatArray) -> BoolArray:
    """Return a mask of the boxes (n, 4) whose centre is in a crop (4,)."""
    centres = (corners[:, :2] + corners[:, 2:]) / 2
    return np.asarray(((centres > crop[:2]) & (centres < crop[2:])).all(1))


def _overlaps(crop: FloatArray, corners: FloatArray) -> FloatArray:
    """Return the IoU of a crop (4,) with each box (n, 4)."""
    sides = np.minimum(crop[2:], corners[:, 2:]) - np.maximum(crop[:2], corners[:, :2])
    intersection = sides.clip(0).prod(1)
    crop_area = (crop[2:] - crop[:2]).prod()
    box_areas = (corners[:, 2:] - corners[:, :2]).prod(1)
    return np.asarray(intersection / (crop_area + box_areas - intersection))
