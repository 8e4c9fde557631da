"""Which part of a picture is cut out: a random one to learn from, the middle to judge by.

Source: the random part is that of Szegedy et al., arXiv 1409.4842, Section 6 (8 to 100 % of the
area, aspect ratio between 3/4 and 4/3); the middle that of the authors' configurations (the short
side resized to 288 px, 256 px of it taken).

A picture at a random size, and a square of it; what lies outside of the picture is filled.

Source: arXiv 1706.05587, Section 4.1, data augmentation; sizes by the short side as in the release
of MobileViT.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mvt_nas.data.decode import Box, ImageRegion

_RATIOS = (3 / 4, 4 / 3)
_ATTEMPTS = 10


def random_resized_crop(
    width: int, height: int, smallest_share: float, random: np.random.Generator
) -> Box:
    """Return a random part of a picture; where none of ten fits into it, its middle with the ratio that comes nearest.

    Args:
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        smallest_share: of its area.
        random: is drawn from.
    """
    for _ in range(_ATTEMPTS):
        area = width * height * random.uniform(smallest_share, 1.0)
        ratio = math.exp(random.uniform(math.log(_RATIOS[0]), math.log(_RATIOS[1])))
        across, down = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < across <= width and 0 < down <= height:
            left, top = (
                int(random.integers(width - across + 1)),
                int(random.integers(height - down + 1)),
            )
            return left, top, left + across, top + down
    across, down = min(width, round(height * _RATIOS[1])), min(height, round(width / _RATIOS[0]))
    left, top = (width - across) // 2, (height - down) // 2
    return left, top, left + across, top + down


def center_crop(width: int, height: int, share: float) -> Box:
    """Return the square in the middle of a picture whose side is a share of the picture's short side."""
    side = min(width, height) * share
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


class CropWindow(NamedTuple):
    """A part of a picture on a square: which, at which size, and how far from the square's left and top."""

    view: ImageRegion
    left: int
    top: int


def random_crop_window(
    width: int, height: int, px: int, scales: tuple[float, float], random: np.random.Generator
) -> CropWindow:
    """Return a square of a picture whose short side is brought to a random size.

    Args:
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        px: side of the square.
        scales: smallest and largest short side, in sides of the square.
        random: is drawn from, three times.
    """
    factor = px * random.uniform(*scales) / min(width, height)
    (start, stop, left), (begin, end, top) = (
        _span(side, side * factor, px, random.uniform()) for side in (width, height)
    )
    size = (min(px, max(1, round(width * factor))), min(px, max(1, round(height * factor))))
    return CropWindow(ImageRegion((start, begin, stop, end), size), left, top)


def _span(side: int, scaled: float, px: int, place: float) -> tuple[float, float, int]:
    """Return where a part of a side begins and ends, in its pixels, and where it lies on the square's side."""
    if round(scaled) <= px:
        return 0.0, float(side), round(place * (px - max(1, round(scaled))))
    share = px / scaled
    start = place * (1 - share) * side
    return start, start + share * side, 0
