"""The six maps that objects are looked for in, and the shapes of boxes around each of their positions.

Source: arXiv 1512.02325, Section 2.2; sizes, shapes and channels as in the released configurations
of MobileViT.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

COORDINATES = 4
"""Numbers of a box: the shift of its centre, the growth of its sides."""

SMALLEST, LARGEST = 0.1, 1.05
"""Sides of the smallest and the largest boxes, in sides of the picture."""

RATIOS = ((2, 3), (2, 3), (2, 3), (2, 3), (2, 3), (2,))
"""Of width and height, by map, from the largest map on; upright boxes and square ones come with
them."""

PROJECTED = (512, 256)
"""Channels that the backbone's two maps are brought to."""

SMALLER = (256, 128, 128)
"""Channels of the maps after them, each half as large as the one before."""

POOLED = 64
"""Channels of the last map, which is one position."""


def boxes_per_position(level: int) -> int:
    """Return how many boxes stand around each position of a map: two square ones, and two for each ratio."""
    return 2 + 2 * len(RATIOS[level])


def shapes(level: int) -> list[tuple[float, float]]:
    """Return width and height of the boxes around a position of a map, in sides of the picture."""
    step = (LARGEST - SMALLEST) / len(RATIOS)
    small, next_small = SMALLEST + level * step, SMALLEST + (level + 1) * step
    middle = sqrt(small * next_small)
    wide = [(small * sqrt(ratio), small / sqrt(ratio)) for ratio in RATIOS[level]]
    upright = [(height, width) for width, height in wide]
    return [
        (small, small),
        (middle, middle),
        *(shape for pair in zip(wide, upright, strict=True) for shape in pair),
    ]


def sides(first: int, second: int) -> list[int]:
    """Return the sides of all maps from those of the backbone's two."""
    result = [first, second]
    for _ in SMALLER:
        result.append(-(-result[-1] // 2))
    return [*result, 1]


def count_boxes(map_sides: Sequence[int]) -> int:
    """Return the number of boxes around all positions of square maps."""
    return sum(boxes_per_position(level) * side * side for level, side in enumerate(map_sides))
