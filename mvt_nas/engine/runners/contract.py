"""What a runner does: take tasks, yield outcomes as they finish."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from mvt_nas.engine.evaluate import Outcome, Task
from mvt_nas.plugins import Registry


class Runner(Protocol):
    """Evaluates candidates."""

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Yield the outcome of each task as it finishes, in any order."""
        ...

    def close(self) -> None:
        """Let the workers go."""
        ...


RUNNERS: Registry[Callable[[int], Runner]] = Registry("runner", "mvt_nas.engine.runners")
"""Runners by name: ``(workers) -> Runner``."""
