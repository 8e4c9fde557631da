"""Evaluation on this machine: in this process for one worker, else in worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mvt_nas.engine.evaluate import Outcome, Task, evaluate
from mvt_nas.engine.runners.contract import RUNNERS, Resources, Runner
from mvt_nas.engine.runners.processes import Processes


class InProcess:
    """Evaluates one task after another where the search itself runs."""

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Yield the outcomes in order."""
        for task in tasks:
            yield evaluate(task)

    def close(self) -> None:
        """Nothing to let go."""


@RUNNERS.register("local")
def local(resources: Resources) -> Runner:
    """Return a runner with so many workers on this machine."""
    workers = resources.workers or 1
    return InProcess() if workers == 1 else Processes(workers)
