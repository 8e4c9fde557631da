"""Random erasing: a random rectangle of an image turned black.

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
    """Turn a random rectangle of an image (H, W, 3) black in place.

    Nothing happens if none of ten rectangles fits into the image.
    """
    if random.uniform() >= probability:
        return
    height, width = pixels.shape[:2]
    for _ in range(_ATTEMPTS):
        area = height * width * random.uniform(*_SHARES)
        ratio = math.exp(random.uniform(math.log(_RATIOS[0]), math.log(_RATIOS[1])))
        erased_height = round(math.sqrt(area * ratio))
        erased_width = round(math.sqrt(area / ratio))
        if erased_height < height and erased_width < width:
            top = int(random.integers(height - erased_height + 1))
            left = int(random.integers(width - erased_width + 1))
            pixels[top : top + erased_height, left : left + erased_width] = 0
            return
