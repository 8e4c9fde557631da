"""How fast something grows: over the last minute, or over its last steps where they take longer."""

from __future__ import annotations

from collections import deque

WINDOW_S = 60.0
STEPS = 4
"""That are looked at, however long ago they were."""

_LEAST_S = 2.0  # of watching, before a rate says anything


class Rate:
    """Is told now and then how far something is."""

    def __init__(self) -> None:
        self._told: deque[tuple[float, int]] = deque()
        self._now_s = 0.0

    def tell(self, now_s: float, done: int) -> None:
        """Take note of how far it is.

        Args:
            now_s: a reading of a clock that never goes back.
            done: how far it is; where it is less than before, all that was told is forgotten.
        """
        self._now_s = now_s
        if self._told and done < self._told[-1][1]:
            self._told.clear()
        if not self._told or done > self._told[-1][1]:
            self._told.append((now_s, done))
        while len(self._told) > STEPS and self._told[1][0] < now_s - WINDOW_S:
            self._told.popleft()

    def per_second(self) -> float | None:
        """Return how much comes per second; ``None`` before that can be said."""
        if not self._told:
            return None
        start_s, start = self._told[0]
        passed_s, grown = self._now_s - start_s, self._told[-1][1] - start
        return grown / passed_s if grown and passed_s >= _LEAST_S else None
