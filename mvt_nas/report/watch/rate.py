"""The rate of a counter over the last minute, or over its last steps if they take longer."""

from __future__ import annotations

from collections import deque

WINDOW_S = 60.0
STEPS = 4
"""Number of last steps that count, however old they are."""

# Time after which a rate means something, in seconds.
_LEAST_S = 2.0


class Rate:
    """The rate of a counter that is updated now and then."""

    def __init__(self) -> None:
        self._readings: deque[tuple[float, int]] = deque()
        self._now_s = 0.0

    def update(self, now_s: float, done: int) -> None:
        """Add a reading of the counter.

        Args:
            now_s: Time of a monotonic clock, in seconds.
            done: Value of the counter; a smaller value than before discards earlier readings.
        """
        self._now_s = now_s
        if self._readings and done < self._readings[-1][1]:
            self._readings.clear()
        if not self._readings or done > self._readings[-1][1]:
            self._readings.append((now_s, done))
        while len(self._readings) > STEPS and self._readings[1][0] < now_s - WINDOW_S:
            self._readings.popleft()

    def per_second(self) -> float | None:
        """Return the rate per second; ``None`` while it is not known yet."""
        if not self._readings:
            return None
        start_s, start = self._readings[0]
        passed_s, grown = self._now_s - start_s, self._readings[-1][1] - start
        return grown / passed_s if grown and passed_s >= _LEAST_S else None
