"""A curve that only rises as lines of text: block characters, eight steps to a line."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

_BLOCKS = " ▁▂▃▄▅▆▇█"
_STEPS = len(_BLOCKS) - 1


def area_chart(points: Sequence[tuple[int, float]], *, width: int, height: int, until: int) -> list[str]:
    """Return the area under a curve as ``height`` lines of ``width`` characters, the highest first.

    The lowest value has one eighth of a line, the highest all of them. A column shows the last value at the place to which it belongs,
    and nothing where the curve has not got there yet.

    Args:
        points: places from 1, rising, and values.
        width: columns.
        height: lines.
        until: place of the right border of the chart.
    """
    if not points:
        return [" " * width] * height
    places, values = [place for place, _ in points], [value for _, value in points]
    low, high = min(values), max(values)
    until = max(until, places[-1])
    ends = [math.ceil(until * (column + 1) / width) for column in range(math.ceil(width * places[-1] / until))]
    steps = [_steps(end, places, values, low, high, height) for end in ends]
    steps += [0] * (width - len(steps))
    return ["".join(_BLOCKS[min(max(step - _STEPS * line, 0), _STEPS)] for step in steps) for line in reversed(range(height))]


def _steps(end: int, places: Sequence[int], values: Sequence[float], low: float, high: float, height: int) -> int:
    index = bisect_right(places, end) - 1
    if index < 0:
        return 0
    share = (values[index] - low) / (high - low) if high > low else 0.0
    return 1 + round(share * (_STEPS * height - 1))
