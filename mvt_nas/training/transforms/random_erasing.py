"""Random erasing: a rectangle of a picture turned black.

Source: Zhong et al., arXiv 1708.04896 (2 to 33 % of the area, aspect ratio between 0.3 and 3.3).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_SHARES = (0.02, 0.33)
_RATIOS = (0.3, 3.3)
_ATTEMPTS = 10


def erase(pixels: NDArray[np.uint8], probability: float, random: np.random.Generator) -> None:
    """Turn a random rectangle of a picture (H, W, 3) black in place; nothing happens where none of ten fits into it."""
    if random.uniform() >= probability:
        return
    height, width = pixels.shape[:2]
    for _ in range(_ATTEMPTS):
        area = height * width * random.uniform(*_SHARES)
        ratio = math.exp(random.uniform(math.log(_RATIOS[0]), math.log(_RATIOS[1])))
        down, across = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if down < height and across < width:
            top, left = (
                int(random.integers(height - down + 1)),
                int(random.integers(width - across + 1)),
            )
            pixels[top : top + down, left : left + across] = 0
            return
