"""Crops: a random one for training, the centre for validation, a window for segmentation.

Source: random resized crop as in Szegedy et al., arXiv 1409.4842, Section 6 (8 to 100 % of the
area, aspect ratio between 3/4 and 4/3); centre crop as in the authors' configurations (the short
side resized to 288 px, 256 px of it taken); window as in arXiv 1706.05587, Section 4.1, data
augmentation, with sizes by the short side as in the release of MobileViT.
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
    """Return a random crop of an image.

    If none of ten crops fits into the image, it is the centre with the nearest allowed ratio.

    Args:
        width: Width of the image, in pixels.
        height: Height of the image, in pixels.
        smallest_share: Smallest share of the image's area.
        random: Source of randomness.
    """
    for _ in range(_ATTEMPTS):
        area = width * height * random.uniform(smallest_share, 1.0)
        ratio = math.exp(random.uniform(math.log(_RATIOS[0]), math.log(_RATIOS[1])))
        crop_width = round(math.sqrt(area * ratio))
        crop_height = round(math.sqrt(area / ratio))
        if 0 < crop_width <= width and 0 < crop_height <= height:
            left = int(random.integers(width - crop_width + 1))
            top = int(random.integers(height - crop_height + 1))
            return left, top, left + crop_width, top + crop_height
    crop_width = min(width, round(height * _RATIOS[1]))
    crop_height = min(height, round(width / _RATIOS[0]))
    left = (width - crop_width) // 2
    top = (height - crop_height) // 2
    return left, top, left + crop_width, top + crop_height


def center_crop(width: int, height: int, share: float) -> Box:
    """Return the centre square of an image, with a share of its short side."""
    side = min(width, height) * share
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


class CropWindow(NamedTuple):
    """A region of an image, placed on a square.

    Attributes:
        region: Region of the image, and its size on the square.
        left: Distance from the left edge of the square, in pixels.
        top: Distance from its top edge, in pixels.
    """

    region: ImageRegion
    left: int
    top: int


def random_crop_window(
    width: int, height: int, px: int, scales: tuple[float, float], random: np.random.Generator
) -> CropWindow:
    """Return a square window of an image whose short side is resized to a random length.

    Args:
        width: Width of the image, in pixels.
        height: Height of the image, in pixels.
        px: Side of the square.
        scales: Smallest and largest short side, in sides of the square.
        random: Source of randomness, used three times.
    """
    factor = px * random.uniform(*scales) / min(width, height)
    left, right, offset_x = _span(width, width * factor, px, random.uniform())
    top, bottom, offset_y = _span(height, height * factor, px, random.uniform())
    size = (min(px, max(1, round(width * factor))), min(px, max(1, round(height * factor))))
    return CropWindow(ImageRegion((left, top, right, bottom), size), offset_x, offset_y)


def _span(side: int, scaled: float, px: int, position: float) -> tuple[float, float, int]:
    """Return the start and end of a window along one axis, and its offset on the square.

    Args:
        side: Length of the image along the axis, in pixels.
        scaled: Length of the resized image.
        px: Side of the square.
        position: Position of the window, 0 to 1.
    """
    if round(scaled) <= px:
        # The whole image fits; it is placed somewhere on the square.
        return 0.0, float(side), round(position * (px - max(1, round(scaled))))
    share = px / scaled
    start = position * (1 - share) * side
    return start, start + share * side, 0
