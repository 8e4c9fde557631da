"""Climbing the rungs: from the candidates of a search, each trained for a few epochs, to a few that are trained to the end.

Who goes on is decided batch by batch from finished batches only, so that it depends neither on the
number of workers nor on interruptions. A climb that was interrupted is done again from its
beginning, with what is finished taken from the store.
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
    """Return whether trainings have rungs, and the last was not yet reached from the candidates that there are."""
    return (
        config.training is not None
        and bool(config.training.rungs)
        and content.finished not in content.climbs
    )


def forget(config: RunConfig, store: Store) -> None:
    """Remove what was kept of trainings to go on with, once nothing goes on."""
    if (
        config.training is not None
        and config.training.rungs
        and not candidates_to_promote(config, store.content)
    ):
        rmtree(store.folder / FOLDER, ignore_errors=True)


class SuccessiveHalving:
    """Brings the candidates of a run up its rungs.

    Args:
        config: of the run, whose trainings have rungs.
        feasibility: its space, with what is known of it.
        store: of the run.
        runner: trains.
        listener: is told the number of each candidate that has come further, in this process.
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
        self._config, self._training, self._store, self._runner, self._listener = (
            config,
            config.training,
            store,
            runner,
            listener,
        )
        self._space = feasibility.space
        self._candidates = store.content.settled()
        self._of = len(self._candidates)
        self._features = RowFeatures(
            feasibility,
            OptimizationProblem.of(feasibility, config.objectives, config.costly_budgets),
        )

    def run(self, until_s: float = math.inf) -> bool:
        """Climb to the end; return whether it was reached before ``time.monotonic`` reads ``until_s``.

        Raises:
            RunError: the store cannot be written.
        """
        members = {
            number: c.scores[TRAINED]
            for number, c in self._candidates.items()
            if self._may_climb(c)
        }
        begun = False
        for epochs in (*self._training.rungs[1:], self._training.protocol.epochs):
            risen: dict[int, float | None] = {}
            most = min(math.ceil(self._training.keep * len(members)), len(members))
            while len(risen) < most:
                if begun and time.monotonic() >= until_s:
                    return False
                begun = True
                chosen = self._chosen(members, risen, most)
                self._store.add_rung(Rung(self._of, epochs, (*risen, *chosen)))
                risen |= self._trained(chosen, epochs)
            members = {
                number: accuracy for number, accuracy in risen.items() if accuracy is not None
            }
        self._store.finish_climb(self._of)
        return True

    def _may_climb(self, candidate: Candidate) -> bool:
        """Return whether a candidate meets the budgets that more training does not change."""
        others = [
            budget
            for budget in self._config.costly_budgets
            if budget.metric.source is not Source.TRAINED
        ]
        return candidate.scored and worst_excess(others, candidate.scores) <= 0

    def _chosen(
        self, members: dict[int, float], risen: dict[int, float | None], most: int
    ) -> list[int]:
        """Return the numbers of the next batch of members to go on, of ``most`` in all."""
        numbers = sorted(members)
        candidates = [self._candidates[number] for number in numbers]
        rows = np.array([candidate.row for candidate in candidates], dtype=np.int32)
        reached = np.array(
            [risen.get(number, np.nan) for number in numbers], dtype=float
        )  # of those that failed, None is NaN too
        failed = np.array([number in risen and risen[number] is None for number in numbers])
        accuracies = expected_accuracy(
            np.array([members[n] for n in numbers]),
            self._features(rows),
            self._features.groups,
            reached,
        )
        costs = self._costs(candidates, np.where(failed, np.nan, accuracies))
        sizes = np.array([candidate.scores["params"] for candidate in candidates])
        taken = np.array([number in risen for number in numbers])
        count = min(self._config.batch, most - len(risen))
        return [numbers[place] for place in promoted(costs, sizes, taken, count, most)]

    def _costs(self, candidates: Sequence[Candidate], accuracies: FloatArray) -> FloatArray:
        """Return the objectives as costs, (n, objectives), with these accuracies."""
        columns = []
        for objective in self._config.objectives:
            if objective.metric.source is Source.TRAINED:
                values = accuracies
            else:
                scores = [candidate.scores[objective.name] for candidate in candidates]
                values = np.array(scores, dtype=float)
            columns.append(objective.cost(values))
        return np.column_stack(columns)

    def _trained(self, numbers: Sequence[int], epochs: int) -> dict[int, float | None]:
        """Bring what these candidates reach on a rung into the store, and return their accuracies."""
        results = self._store.content.results
        for outcome in self._runner.run(
            [self._task(number, epochs) for number in numbers if (number, epochs) not in results]
        ):
            reached = RungResult(
                outcome.number, epochs, outcome.scores.get(TRAINED), outcome.error, outcome.seconds
            )
            self._store.add_reached(reached)
            self._listener(reached.number)
        return {number: results[number, epochs].accuracy for number in numbers}

    def _task(self, number: int, epochs: int) -> EvaluationTask:
        config, architecture = (
            self._config,
            self._space.decode(np.asarray(self._candidates[number].row, dtype=np.int32)),
        )
        folder = self._store.folder / FOLDER
        return EvaluationTask(
            number,
            architecture,
            (TRAINED,),
            config.scoring,
            config.seed,
            self._training,
            folder,
            epochs,
        )
