"""The direction in which values of a metric improve."""

from __future__ import annotations

from enum import StrEnum


class Direction(StrEnum):
    """Direction of optimisation; its value is the spelling on the command line and in files."""

    MIN = "min"
    MAX = "max"

    @property
    def sign(self) -> float:
        """Factor that turns values into costs, of which less is better."""
        return 1.0 if self is Direction.MIN else -1.0
