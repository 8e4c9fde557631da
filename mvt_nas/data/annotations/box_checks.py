"""Whether the corners of an object are such, and lie within its picture."""

from __future__ import annotations

import math

from mvt_nas.errors import DataError

_SPARE_PX = 2.0
"""How far a box may stand out, to be cut: tools round, and so does COCO itself."""


def checked_corners(values: tuple[float, float, float, float], width: int, height: int, where: str) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom in pixels, cut at the picture's edges.

    Raises:
        DataError: no finite numbers, a side that is negative, or a box outside of the picture; ``where`` begins the message.
    """
    left, top, right, bottom = values
    if not all(math.isfinite(value) for value in values):
        raise DataError(f"{where} = {_plain(values)} is not allowed; four finite numbers")
    if right < left or bottom < top:
        raise DataError(f"{where} = {_plain(values)} is not allowed; left to right and top to bottom have to rise")
    if min(left, top) < -_SPARE_PX or right > width + _SPARE_PX or bottom > height + _SPARE_PX:
        raise DataError(f"{where} = {_plain(values)} is not allowed; within the picture of {width} x {height} pixels")
    return max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))


def _plain(values: tuple[float, ...]) -> str:
    return f"[{', '.join(f'{value:g}' for value in values)}]"
