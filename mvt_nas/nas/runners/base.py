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
            raise MetricError(
                f"{self.workers} is not allowed; an integer from 1", parameter="workers"
            )
        if not _is_finite(self.cpus) or self.cpus <= 0:
            raise MetricError(
                f"{self.cpus} is not allowed; a number above 0", parameter="cpus_per_trial"
            )
        if not _is_finite(self.gpus) or self.gpus < 0:
            raise MetricError(
                f"{self.gpus} is not allowed; a number from 0", parameter="gpus_per_trial"
            )


def _is_finite(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)  # type: ignore[arg-type]  # a number


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
