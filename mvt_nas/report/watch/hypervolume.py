"""The hypervolume of a run over its candidates, looked at now and then as they come.

A look at many objectives is slow, so that a follower of a large run takes a few per cent of its
time for them, and no more.

A curve that only rises as lines of text: block characters, eight steps to a line.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence

FREE_S = 0.5
"""Seconds of looking that are always allowed."""

SHARE = 0.05
"""Of the time since the curve was begun, that looking may take."""

MOST = 400
"""Points that are kept; of more, those go that are nearest to others."""


class HypervolumeCurve:
    """Points of a curve that grows.

    Attributes:
        points: number of candidates, and the hypervolume of all of them; numbers rise.
    """

    def __init__(self) -> None:
        self.points: list[tuple[int, float]] = []
        self._begun_s = time.monotonic()
        self._spent_s = 0.0

    def look(self, done: int, measure: Callable[[], float], *, exact: bool = False) -> None:
        """Add a point, if there is time for it, or if it has to be exact.

        Args:
            done: number of candidates.
            measure: returns their hypervolume.
            exact: whether the point is wanted however long it takes.
        """
        start = time.monotonic()
        if self.points and self.points[-1][0] == done:
            return
        if exact or self._spent_s <= FREE_S + SHARE * (start - self._begun_s):
            self.points.append((done, measure()))
            self._spent_s += time.monotonic() - start
            if len(self.points) > MOST:
                self._thin()

    def _thin(self) -> None:
        """Leave about half of the most points, as far from each other as they can be."""
        first, *inner, last = self.points
        gap, kept = 2 * last[0] / MOST, [first]
        for point in inner:
            if point[0] - kept[-1][0] >= gap:
                kept.append(point)
        self.points = [*kept, last]


_BLOCKS = " ▁▂▃▄▅▆▇█"
_STEPS = len(_BLOCKS) - 1


def area_chart(
    points: Sequence[tuple[int, float]], *, width: int, height: int, until: int
) -> list[str]:
    """Return the area under a curve as ``height`` lines of ``width`` characters, the highest first.

    The lowest value has one eighth of a line, the highest all of them. A column shows the last
    value at the place to which it belongs, and nothing where the curve has not got there yet.

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
    ends = [
        math.ceil(until * (column + 1) / width)
        for column in range(math.ceil(width * places[-1] / until))
    ]
    steps = [_steps(end, places, values, low, high, height) for end in ends]
    steps += [0] * (width - len(steps))
    return [
        "".join(_BLOCKS[min(max(step - _STEPS * line, 0), _STEPS)] for step in steps)
        for line in reversed(range(height))
    ]


def _steps(
    end: int, places: Sequence[int], values: Sequence[float], low: float, high: float, height: int
) -> int:
    index = bisect_right(places, end) - 1
    if index < 0:
        return 0
    share = (values[index] - low) / (high - low) if high > low else 0.0
    return 1 + round(share * (_STEPS * height - 1))
