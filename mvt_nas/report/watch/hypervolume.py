"""The hypervolume of a run over its candidates, and its chart in block characters.

A hypervolume of many objectives is slow to compute, so that it is computed only now and then, in a
few per cent of the time.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence

FREE_S = 0.5
"""Computing time that is always allowed, in seconds."""

SHARE = 0.05
"""Share of the time since the start of the curve that computing may take."""

MOST = 400
"""Largest number of points; beyond it, points that are close to others are dropped."""


class HypervolumeCurve:
    """Points of a growing curve.

    Attributes:
        points: Number of candidates, ascending, and the hypervolume of all of them.
    """

    def __init__(self) -> None:
        self.points: list[tuple[int, float]] = []
        self._start_s = time.monotonic()
        self._spent_s = 0.0

    def update(self, done: int, measure: Callable[[], float], *, exact: bool = False) -> None:
        """Add a point if there is time for it, or if it has to be exact.

        Args:
            done: Number of candidates.
            measure: Returns their hypervolume.
            exact: Whether to add the point however long it takes.
        """
        start = time.monotonic()
        if self.points and self.points[-1][0] == done:
            return
        if exact or self._spent_s <= FREE_S + SHARE * (start - self._start_s):
            self.points.append((done, measure()))
            self._spent_s += time.monotonic() - start
            if len(self.points) > MOST:
                self._thin()

    def _thin(self) -> None:
        """Keep about half of the points, evenly spread, with the first and the last."""
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

    The lowest value is one eighth of a line high, the highest all lines. A column shows the last
    value up to its position, and is empty behind the end of the curve.

    Args:
        points: Positions from 1, ascending, and values.
        width: Number of columns.
        height: Number of lines.
        until: Position at the right border of the chart.
    """
    if not points:
        return [" " * width] * height
    positions = [position for position, _ in points]
    values = [value for _, value in points]
    low, high = min(values), max(values)
    until = max(until, positions[-1])
    ends = [
        math.ceil(until * (column + 1) / width)
        for column in range(math.ceil(width * positions[-1] / until))
    ]
    steps = [_steps(end, positions, values, low, high, height) for end in ends]
    steps += [0] * (width - len(steps))
    return [
        "".join(_BLOCKS[min(max(step - _STEPS * line, 0), _STEPS)] for step in steps)
        for line in reversed(range(height))
    ]


def _steps(
    end: int,
    positions: Sequence[int],
    values: Sequence[float],
    low: float,
    high: float,
    height: int,
) -> int:
    """Return the height of the column that ends at a position, in eighths of a line."""
    index = bisect_right(positions, end) - 1
    if index < 0:
        return 0
    share = (values[index] - low) / (high - low) if high > low else 0.0
    return 1 + round(share * (_STEPS * height - 1))
