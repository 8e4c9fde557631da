"""Hypervolume of a growing run over its candidates, and its chart as lines of text.

With many objectives the hypervolume is slow to compute, so the curve spends at most a few per cent
of the time on it. The chart consists of block characters, with eight steps per line.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence

FREE_S = 0.5
"""Computing time that is always allowed, in seconds."""

SHARE = 0.05
"""Fraction of the time since the begin of the curve that may be computing time."""

MOST = 400
"""Largest number of points; of more, the points nearest to others are removed."""


class HypervolumeCurve:
    """A growing curve.

    Attributes:
        points: Ascending numbers of candidates, each with the hypervolume of all of them.
    """

    def __init__(self) -> None:
        self.points: list[tuple[int, float]] = []
        self._begun_s = time.monotonic()
        self._spent_s = 0.0

    def look(self, done: int, measure: Callable[[], float], *, exact: bool = False) -> None:
        """Add a point if there is time for it, or if ``exact`` is true.

        Args:
            done: Number of candidates.
            measure: Function that computes their hypervolume.
            exact: Add the point however long it takes.
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
        """Keep about half of the largest number of points, evenly spaced."""
        first, *inner, last = self.points
        gap = 2 * last[0] / MOST
        kept = [first]
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

    The lowest value fills one eighth of a line, the highest all lines. A column shows the last
    value up to its position, and nothing beyond the last point.

    Args:
        points: Ascending positions from 1, and values.
        width: Number of columns.
        height: Number of lines.
        until: Position of the right border of the chart.
    """
    if not points:
        return [" " * width] * height
    places = [place for place, _ in points]
    values = [value for _, value in points]
    low = min(values)
    high = max(values)
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
