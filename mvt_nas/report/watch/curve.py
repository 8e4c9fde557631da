"""The hypervolume of a run over its candidates, looked at now and then as they come.

A look at many objectives is slow, so that a follower of a large run takes a few per cent of its time for them, and no more.
"""

from __future__ import annotations

import time
from collections.abc import Callable

FREE_S = 0.5
"""Seconds of looking that are always allowed."""

SHARE = 0.05
"""Of the time since the curve was begun, that looking may take."""

MOST = 400
"""Points that are kept; of more, those go that are nearest to others."""


class Curve:
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
