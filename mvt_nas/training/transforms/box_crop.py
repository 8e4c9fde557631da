"""A random part of a picture that holds enough of its objects.

Source: arXiv 1512.02325, Section 2.2, data augmentation: the part overlaps an object by 0.1, 0.3,
0.5, 0.7 or 0.9 at least, or is any; its sides are in a ratio from 1/2 to 2; objects whose centre is
inside are kept.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mvt_nas.data.annotated_source import ObjectBoxes
from mvt_nas.data.decode import Box

_OVERLAPS = (0.1, 0.3, 0.5, 0.7, 0.9, -1.0)
_RATIOS = (0.5, 2.0)
_ATTEMPTS = 50


def box_part(
    width: int, height: int, boxes: ObjectBoxes, smallest_side: float, random: np.random.Generator
) -> Box:
    """Return a random part of a picture; the whole where none of fifty suits.

    Args:
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        boxes: its objects.
        smallest_side: of the part, in sides of the picture.
        random: is drawn from.
    """
    least = _OVERLAPS[int(random.integers(len(_OVERLAPS)))]
    corners = boxes.corners[~boxes.ignored]
    for _ in range(_ATTEMPTS):
        across, down = (
            random.uniform(smallest_side, 1.0) * width,
            random.uniform(smallest_side, 1.0) * height,
        )
        left, top = random.uniform(0, width - across), random.uniform(0, height - down)
        if not _RATIOS[0] <= across / down <= _RATIOS[1]:
            continue
        part = np.array([left, top, left + across, top + down])
        if not len(corners) or (
            _overlaps(part, corners).max() >= least and _inside(part, corners).any()
        ):
            return left, top, left + across, top + down
    return 0.0, 0.0, float(width), float(height)


def boxes_in(boxes: ObjectBoxes, part: Box) -> ObjectBoxes:
    """Return the objects whose centre is in a part of a picture, cut at its edges, in pixels from its corner."""
    whole = np.array(part)
    kept = _inside(whole, boxes.corners)
    corners = boxes.corners[kept].clip(np.tile(whole[:2], 2), np.tile(whole[2:], 2)) - np.tile(
        whole[:2], 2
    )
    return ObjectBoxes(corners, boxes.labels[kept], boxes.ignored[kept])


def mirrored_boxes(boxes: ObjectBoxes, width: float) -> ObjectBoxes:
    """Return the objects of a picture with left and right changed."""
    left, top, right, bottom = boxes.corners.T
    return replace(boxes, corners=np.stack([width - right, top, width - left, bottom], 1))


def _inside(part: NDArray[np.float64], corners: NDArray[np.float64]) -> NDArray[np.bool_]:
    centres = (corners[:, :2] + corners[:, 2:]) / 2
    return np.asarray(((centres > part[:2]) & (centres < part[2:])).all(1))


def _overlaps(part: NDArray[np.float64], corners: NDArray[np.float64]) -> NDArray[np.float64]:
    shared = (
        (np.minimum(part[2:], corners[:, 2:]) - np.maximum(part[:2], corners[:, :2]))
        .clip(0)
        .prod(1)
    )
    return np.asarray(
        shared / ((part[2:] - part[:2]).prod() + (corners[:, 2:] - corners[:, :2]).prod(1) - shared)
    )
