"""Contract of a runner."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import ClassVar

from mvt_nas.nas.problem.config import Scoring
from mvt_nas.nas.runners.base import RUNNERS, Resources
from mvt_nas.nas.runners.evaluation import EvaluationTask, Outcome, evaluate
from mvt_nas.testing.networks import NUM_CLASSES, small_architecture


class RunnerContract:
    """Checks of a runner, with two workers on this machine.

    Attributes:
        name: Name of the runner.
        resources: What its evaluations may use.
    """

    name: ClassVar[str]
    resources: ClassVar[Resources] = Resources(workers=2)

    @staticmethod
    def tasks(metrics: Sequence[str] = ("params",)) -> list[EvaluationTask]:
        """Return the evaluations of four networks."""
        scoring = Scoring(resolution_px=32, images=4, num_classes=NUM_CLASSES)
        return [
            EvaluationTask(
                number, small_architecture(width=24 + 8 * number), tuple(metrics), scoring, 0
            )
            for number in range(4)
        ]

    def outcomes(self, tasks: Sequence[EvaluationTask]) -> dict[int, Outcome]:
        """Return the outcomes of some evaluations by number."""
        RUNNERS.get(self.name).check(self.resources)
        with closing(RUNNERS.get(self.name).make(self.resources)) as runner:
            return {outcome.number: outcome for outcome in runner.run(tasks)}

    def test_every_task_has_the_outcome_of_this_process(self) -> None:
        """Where a candidate is evaluated does not change its scores."""
        tasks = self.tasks()
        found = self.outcomes(tasks)
        assert {number: outcome.scores for number, outcome in found.items()} == {
            task.number: evaluate(task).scores for task in tasks
        }

    def test_what_fails_is_told_and_stops_nothing(self) -> None:
        """A metric that does not exist is the error of its candidate alone."""
        good, bad = self.tasks()[0], self.tasks(["no_such_proxy"])[1]
        found = self.outcomes([good, bad])
        assert found[good.number].error is None
        assert "no_such_proxy" in str(found[bad.number].error)
