"""A picture at a random size, and a square of it; what lies outside of the picture is filled.

Source: arXiv 1706.05587, Section 4.1, data augmentation; sizes by the short side as in the release of MobileViT.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mvt_nas.data.decode import View


class Window(NamedTuple):
    """A part of a picture on a square: which, at which size, and how far from the square's left and top."""

    view: View
    left: int
    top: int


def random_window(width: int, height: int, px: int, scales: tuple[float, float], random: np.random.Generator) -> Window:
    """Return a square of a picture whose short side is brought to a random size.

    Args:
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        px: side of the square.
        scales: smallest and largest short side, in sides of the square.
        random: is drawn from, three times.
    """
    factor = px * random.uniform(*scales) / min(width, height)
    (start, stop, left), (begin, end, top) = (_span(side, side * factor, px, random.uniform()) for side in (width, height))
    size = (min(px, max(1, round(width * factor))), min(px, max(1, round(height * factor))))
    return Window(View((start, begin, stop, end), size), left, top)


def _span(side: int, scaled: float, px: int, place: float) -> tuple[float, float, int]:
    """Return where a part of a side begins and ends, in its pixels, and where it lies on the square's side."""
    if round(scaled) <= px:
        return 0.0, float(side), round(place * (px - max(1, round(scaled))))
    share = px / scaled
    start = place * (1 - share) * side
    return start, start + share * side, 0
