"""The six feature maps of SSDLite, and the shapes of the anchor boxes around their positions.

Source: arXiv 1512.02325, Section 2.2; sizes, shapes and channels as in the released configurations
of MobileViT.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

COORDINATES = 4
"""Offsets of a box: two of its centre, two of its width and height."""

SMALLEST, LARGEST = 0.1, 1.05
"""Sides of the smallest and the largest boxes, relative to the side of the image."""

RATIOS = ((2, 3), (2, 3), (2, 3), (2, 3), (2, 3), (2,))
"""Aspect ratios (width to height) of the boxes of each map, from the largest map. Each ratio also
gives an upright box, and each map has two square ones."""

PROJECTED = (512, 256)
"""Channels to which the backbone's two maps are projected."""

SMALLER = (256, 128, 128)
"""Channels of the following maps, each half as large as the one before."""

POOLED = 64
"""Channels of the last map, which has one position."""


def boxes_per_position(level: int) -> int:
    """Return the number of boxes per position: two square ones, and two for each ratio."""
    return 2 + 2 * len(RATIOS[level])


def shapes(level: int) -> list[tuple[float, float]]:
    """Return width and height of the boxes of a map, relative to the side of the image."""
    step = (LARGEST - SMALLEST) / len(RATIOS)
    small = SMALLEST + level * step
    next_small = SMALLEST + (level + 1) * step
    middle = sqrt(small * next_small)
    wide = [(small * sqrt(ratio), small / sqrt(ratio)) for ratio in RATIOS[level]]
    upright = [(height, width) for width, height in wide]
    result = [(small, small), (middle, middle)]
    for pair in zip(wide, upright, strict=True):
        result += pair
    return result


def sides(first: int, second: int) -> list[int]:
    """Return the sides of all maps, given those of the backbone's two."""
    result = [first, second]
    for _ in SMALLER:
        # A "same"-padded convolution with stride 2 rounds up.
        result.append(-(-result[-1] // 2))
    return [*result, 1]


def count_boxes(map_sides: Sequence[int]) -> int:
    """Return the number of boxes around all positions of square maps."""
    return sum(boxes_per_position(level) * side * side for level, side in enumerate(map_sides))
