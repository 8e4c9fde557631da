"""Successive halving of the candidates of a search.

All candidates are trained for a few epochs (the first rung); the best are promoted from rung to
rung, and the last are trained to the end. Promotions are decided batch by batch from finished
batches only, so they depend neither on the number of workers nor on interruptions. An interrupted
promotion is repeated from its beginning, with the finished trainings taken from the store.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from shutil import rmtree

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.metrics.metric import Source
from mvt_nas.metrics.names import TRAINED
from mvt_nas.nas.multi_fidelity.promotion import expected_accuracy, promoted
from mvt_nas.nas.mvt.features import RowFeatures
from mvt_nas.nas.mvt.problem import OptimizationProblem
from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.objectives import worst_excess
from mvt_nas.nas.problem.short_training import FOLDER
from mvt_nas.nas.runners.base import Runner
from mvt_nas.nas.runners.evaluation import EvaluationTask
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.rungs import Rung, RungResult
from mvt_nas.nas.runs.store import Store, StoreContent


def candidates_to_promote(config: RunConfig, content: StoreContent) -> bool:
    """Return True if trainings have rungs and the last is not finished for these candidates."""
    return (
        config.training is not None
        and bool(config.training.rungs)
        and content.finished not in content.promotions
    )


def forget(config: RunConfig, store: Store) -> None:
    """Remove the checkpoints of paused trainings once no candidate will be promoted."""
    if (
        config.training is not None
        and config.training.rungs
        and not candidates_to_promote(config, store.content)
    ):
        rmtree(store.folder / FOLDER, ignore_errors=True)


class SuccessiveHalving:
    """Promotes the candidates of a run from rung to rung.

    Args:
        config: Configuration of the run, whose trainings have rungs.
        feasibility: Space with its known metrics.
        store: Store of the run.
        runner: Runner of the trainings.
        listener: Callback for the number of each candidate with a new result, in this process.
    """

    def __init__(
        self,
        config: RunConfig,
        feasibility: Feasibility,
        store: Store,
        runner: Runner,
        listener: Callable[[int], None],
    ) -> None:
        assert config.training is not None
        self._config = config
        self._training = config.training
        self._store = store
        self._runner = runner
        self._listener = listener
        self._space = feasibility.space
        self._candidates = store.content.finished_candidates()
        self._of = len(self._candidates)
        problem = OptimizationProblem.of(feasibility, config.objectives, config.costly_budgets)
        self._features = RowFeatures(feasibility, problem)

    def run(self, until_s: float = math.inf) -> bool:
        """Promote candidates up to the last rung.

        Args:
            until_s: Reading of ``time.monotonic`` after which no further batch begins; one batch is
                always trained.

        Returns:
            True if the last rung was finished, False if time was over before.

        Raises:
            RunError: The store cannot be written.
        """
        # Members of the current rung: accuracy by candidate number.
        members = {
            number: candidate.scores[TRAINED]
            for number, candidate in self._candidates.items()
            if self._is_eligible(candidate)
        }
        begun = False
        for epochs in (*self._training.rungs[1:], self._training.protocol.epochs):
            results: dict[int, float | None] = {}
            slots = min(math.ceil(self._training.keep * len(members)), len(members))
            while len(results) < slots:
                if begun and time.monotonic() >= until_s:
                    return False
                begun = True
                batch = self._next_batch(members, results, slots)
                self._store.add_rung(Rung(self._of, epochs, (*results, *batch)))
                results |= self._train(batch, epochs)
            members = {
                number: accuracy for number, accuracy in results.items() if accuracy is not None
            }
        self._store.finish_promotion(self._of)
        return True

    def _is_eligible(self, candidate: Candidate) -> bool:
        """Return True if a candidate meets the budgets that further training does not change."""
        unchanging = [
            budget
            for budget in self._config.costly_budgets
            if budget.metric.source is not Source.TRAINED
        ]
        return candidate.scored and worst_excess(unchanging, candidate.scores) <= 0

    def _next_batch(
        self, members: dict[int, float], results: dict[int, float | None], slots: int
    ) -> list[int]:
        """Return the numbers of the next members to promote.

        Args:
            members: Accuracies on the current rung, by candidate number.
            results: Accuracies on the next rung, by candidate number; None for a failed training.
            slots: Number of members to promote in all.
        """
        numbers = sorted(members)
        candidates = [self._candidates[number] for number in numbers]
        rows = np.array([candidate.row for candidate in candidates], dtype=np.int32)
        # None (a failed training) becomes NaN too.
        reached = np.array([results.get(number, np.nan) for number in numbers], dtype=float)
        failed = np.array([number in results and results[number] is None for number in numbers])
        accuracies = expected_accuracy(
            np.array([members[number] for number in numbers]),
            self._features(rows),
            self._features.groups,
            reached,
        )
        costs = self._costs(candidates, np.where(failed, np.nan, accuracies))
        sizes = np.array([candidate.scores["params"] for candidate in candidates])
        taken = np.array([number in results for number in numbers])
        count = min(self._config.batch, slots - len(results))
        return [numbers[index] for index in promoted(costs, sizes, taken, count, slots)]

    def _costs(self, candidates: Sequence[Candidate], accuracies: FloatArray) -> FloatArray:
        """Return the objectives as costs, (n, objectives), with the given accuracies."""
        columns = []
        for objective in self._config.objectives:
            if objective.metric.source is Source.TRAINED:
                values = accuracies
            else:
                scores = [candidate.scores[objective.name] for candidate in candidates]
                values = np.array(scores, dtype=float)
            columns.append(objective.cost(values))
        return np.column_stack(columns)

    def _train(self, numbers: Sequence[int], epochs: int) -> dict[int, float | None]:
        """Train candidates up to a rung, store the results, and return the accuracies."""
        results = self._store.content.results
        tasks = [
            self._task(number, epochs) for number in numbers if (number, epochs) not in results
        ]
        for outcome in self._runner.run(tasks):
            result = RungResult(
                number=outcome.number,
                epochs=epochs,
                accuracy=outcome.scores.get(TRAINED),
                error=outcome.error,
                seconds=outcome.seconds,
            )
            self._store.add_rung_result(result)
            self._listener(result.number)
        return {number: results[number, epochs].accuracy for number in numbers}

    def _task(self, number: int, epochs: int) -> EvaluationTask:
        row = np.asarray(self._candidates[number].row, dtype=np.int32)
        return EvaluationTask(
            number=number,
            architecture=self._space.decode(row),
            metrics=(TRAINED,),
            scoring=self._config.scoring,
            seed=self._config.seed,
            training=self._training,
            folder=self._store.folder / FOLDER,
            epochs=epochs,
        )
