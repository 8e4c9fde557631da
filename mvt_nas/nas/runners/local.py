"""Evaluation on this machine: in this process for one worker, else in worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mvt_nas.errors import MetricError
from mvt_nas.nas.runners.base import RUNNERS, Resources, Runner, RunnerKind
from mvt_nas.nas.runners.evaluation import EvaluationTask, Outcome, evaluate
from mvt_nas.nas.runners.process_pool import WorkerPool


class InProcessRunner:
    """Evaluates one task after another in the process of the search."""

    def run(self, tasks: Sequence[EvaluationTask]) -> Iterator[Outcome]:
        """Yield the outcomes in order."""
        for task in tasks:
            yield evaluate(task)

    def close(self) -> None:
        """Do nothing: there are no workers."""


def local(resources: Resources) -> Runner:
    """Return a runner with the given number of workers on this machine."""
    workers = resources.workers or 1
    return InProcessRunner() if workers == 1 else WorkerPool(workers)


def check(resources: Resources) -> None:
    """Check that no address is given, because it would be ignored.

    Raises:
        MetricError: An address is given.
    """
    if resources.address is not None:
        raise MetricError(
            f"{resources.address} is of no use with the runner 'local'; leave one of them out",
            parameter="ray_address",
        )


RUNNERS.register("local")(RunnerKind(local, check))
