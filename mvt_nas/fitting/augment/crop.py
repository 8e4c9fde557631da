"""Which part of a picture is cut out: a random one to learn from, the middle to judge by.

Source: the random part is that of Szegedy et al., arXiv 1409.4842, Section 6 (8 to 100 % of the area, aspect ratio between 3/4 and 4/3);
the middle that of the authors' configurations (the short side resized to 288 px, 256 px of it taken).
"""

from __future__ import annotations

import math

import numpy as np

from mvt_nas.data.decode import Box

_RATIOS = (3 / 4, 4 / 3)
_ATTEMPTS = 10


def random_part(width: int, height: int, smallest_share: float, random: np.random.Generator) -> Box:
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
            left, top = int(random.integers(width - across + 1)), int(random.integers(height - down + 1))
            return left, top, left + across, top + down
    across, down = min(width, round(height * _RATIOS[1])), min(height, round(width / _RATIOS[0]))
    left, top = (width - across) // 2, (height - down) // 2
    return left, top, left + across, top + down


def middle(width: int, height: int, share: float) -> Box:
    """Return the square in the middle of a picture whose side is a share of the picture's short side."""
    side = min(width, height) * share
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side
