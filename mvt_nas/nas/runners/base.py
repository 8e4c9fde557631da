"""Interface of runners, which evaluate tasks and yield their outcomes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from mvt_nas.errors import MetricError
from mvt_nas.nas.runners.evaluation import EvaluationTask, Outcome
from mvt_nas.registry import Registry


@dataclass(frozen=True, slots=True)
class Resources:
    """Resources for evaluations.

    Attributes:
        workers: Number of simultaneous evaluations; None for one on this machine, and for as many
            as fit on a cluster.
        address: Address of a cluster, ``auto`` or ``HOST:PORT``; None for this machine.
        cpus: CPUs that a cluster reserves for each evaluation, which uses one thread in any case.
        gpus: GPUs that a cluster reserves for each evaluation; 0.5 lets two share one.

    Raises:
        MetricError: A number is not allowed.
    """

    workers: int | None = None
    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0

    def __post_init__(self) -> None:
        if self.workers is not None and (type(self.workers) is not int or self.workers < 1):
            raise MetricError(f"--workers {self.workers} is not allowed; an integer from 1")
        for name, value, positive in (("cpus", self.cpus, True), ("gpus", self.gpus, False)):
            is_number = (
                isinstance(value, int | float)
                and not isinstance(value, bool)
                and math.isfinite(value)
            )
            if not is_number or value < 0 or (positive and value == 0):
                raise MetricError(
                    f"--{name}-per-trial {value} is not allowed; a number"
                    f" {'above' if positive else 'from'} 0"
                )


class Runner(Protocol):
    """Evaluates candidates."""

    def run(self, tasks: Sequence[EvaluationTask]) -> Iterator[Outcome]:
        """Yield the outcome of each task as it finishes, in any order."""
        ...

    def close(self) -> None:
        """Stop the workers."""
        ...


@dataclass(frozen=True, slots=True)
class RunnerKind:
    """A kind of runner.

    Attributes:
        make: Factory of the runner; raises RunError if it cannot be started.
        check: Quick check before a search begins; raises RunError if the runner cannot work.
    """

    make: Callable[[Resources], Runner]
    check: Callable[[Resources], None]


RUNNERS: Registry[RunnerKind] = Registry("runner", "mvt_nas.nas.runners")
"""Runners by name."""
