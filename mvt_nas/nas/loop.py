"""The search loop: ask for a batch of candidates, evaluate it, and tell the results in order.

The proposals of a batch depend on the finished batches and the seed only. An interrupted run
therefore asks for its last batch again, takes the finished candidates of it from the store, and
evaluates the others. For the same reason, neither the number of workers nor the order in which they
finish matters.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mvt_nas.errors import RunError
from mvt_nas.metrics.metric import Source
from mvt_nas.nas.mvt.memory import SearchMemory
from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.objectives import Budget, worst_excess
from mvt_nas.nas.problem.repair import Repair, RepairStats, SpaceExhausted
from mvt_nas.nas.problem.short_training import FOLDER
from mvt_nas.nas.problem.stopping_rule import Reason
from mvt_nas.nas.problem.warm_start import warm_start
from mvt_nas.nas.runners.base import Runner
from mvt_nas.nas.runners.evaluation import EvaluationTask, Outcome
from mvt_nas.nas.runs.candidate import Candidate, Status
from mvt_nas.nas.runs.store import BatchRecord, Store
from mvt_nas.nas.samplers.base import SAMPLERS, SamplerContext
from mvt_nas.nas.stopping import NoImprovement
from mvt_nas.nas.studies.optuna_study import SearchStudy
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.columns import Rows

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

Listener = Callable[[Candidate], None]
"""Callback for each candidate that is new in this process."""


class Loop:
    """A search that can be stopped after any line of its store.

    Args:
        config: Configuration of the run.
        feasibility: The run's space with the budgets on known metrics.
        store: Store of the run.
        runner: Runner that evaluates candidates; None where all metrics are known.
        listener: See :data:`Listener`.
    """

    def __init__(
        self,
        config: RunConfig,
        feasibility: Feasibility,
        store: Store,
        runner: Runner | None,
        listener: Listener,
    ) -> None:
        self._config = config
        self._feasibility = feasibility
        self._store = store
        self._runner = runner
        self._listener = listener
        self._repair = Repair(feasibility)
        self._budgets = tuple(
            budget for budget in config.budgets if not _needs_last_rung(budget, config)
        )
        self._costly_budgets = tuple(
            budget for budget in config.costly_budgets if not _needs_last_rung(budget, config)
        )
        self._study = SearchStudy(feasibility.space, config.objectives, self._costly_budgets)
        self._warm_start = warm_start(feasibility) if config.warm_start else []
        self._sampler = SAMPLERS.get(config.sampler)
        self._memory = SearchMemory()

    @property
    def replaced(self) -> RepairStats:
        """Counts of replaced proposals (infeasible or known) in this process."""
        return self._repair.replaced

    def run(self, until_s: float = math.inf) -> Reason:
        """Search until the trials are done, the front stalls, or the space is exhausted.

        Args:
            until_s: Reading of ``time.monotonic`` after which no further batch begins; one batch is
                always made.

        Returns:
            The reason for the end, which the store contains as well.

        Raises:
            RunError: The store belongs to another search, or cannot be written.
        """
        number = self._restore()
        stalled = NoImprovement(self._config)
        while number < self._config.trials:
            size = min(self._config.batch, self._config.trials - number)
            made = self._make_batch(number, size)
            number += made
            if made < size:
                self._store.exhaust()
                return "exhausted"
            if number == self._config.trials:
                break
            if stalled.holds(self._store.content.candidates, number):
                return "stalled"
            if time.monotonic() >= until_s:
                return "minutes"
        return "trials"

    def about(self) -> str:
        """Return a sentence about the basis of the proposals; empty if the sampler has none."""
        return str(getattr(self._make_sampler(0), "about", str)())

    def _make_batch(self, number: int, size: int) -> int:
        """Propose and evaluate a batch; return its size, less than ``size`` if no row is left."""
        rows = self._ask(number, size)
        if rows:
            self._evaluate(number, np.stack(rows))
            for trial in range(number, number + len(rows)):
                self._study.tell(self._store.content.candidates[trial])
            self._store.finish_batch(BatchRecord(number, len(rows), self._study.new_shared_notes()))
        return len(rows)

    def _restore(self) -> int:
        """Rebuild the study from the finished whole batches; return the next trial's number."""
        number = 0
        batches = self._store.content.batches
        candidates = self._store.content.candidates
        while number in batches and batches[number].size == self._config.batch:
            for trial in range(number, number + self._config.batch):
                if trial not in candidates:
                    raise RunError(
                        f"the store lacks candidate {trial} of a finished batch; restore the file"
                        " or start a new run"
                    )
                self._repair.take(np.asarray(candidates[trial].row, dtype=np.int32))
                self._study.restore(candidates[trial])
            self._study.restore_shared_notes(batches[number].notes)
            number += self._config.batch
        return number

    def _ask(self, number: int, size: int) -> list[Rows]:
        """Return the rows of a batch; fewer than ``size`` where no row is left."""
        rows: list[Rows] = []
        for trial in range(number, number + size):
            try:
                rows.append(
                    self._study.ask(self._make_sampler(trial), partial(self._replace, trial))
                )
            except SpaceExhausted:
                break
        return rows

    def _make_sampler(self, trial: int) -> BaseSampler:
        config = self._config
        seed = int(np.random.SeedSequence([config.seed, trial]).generate_state(1)[0])
        context = SamplerContext(
            seed=seed,
            run_seed=config.seed,
            number=trial,
            feasibility=self._feasibility,
            objectives=config.objectives,
            budgets=self._costly_budgets,
            batch=config.batch,
            memory=self._memory,
        )
        return self._sampler(context)

    def _replace(self, trial: int, row: Rows) -> Rows:
        """Return the candidate's row: a published model during the warm start, else repaired."""
        if trial < len(self._warm_start):
            _, published = self._warm_start[trial]
            self._repair.take(published)
            return published
        return self._repair(row, np.random.default_rng([self._config.seed, trial, 1]))

    def _evaluate(self, number: int, rows: Rows) -> None:
        """Add every row of a batch to the store that an interrupted process has not added yet."""
        architectures = self._feasibility.space.decode_many(rows)
        known = self._feasibility.known.of(rows)
        keys = [architecture.key for architecture in architectures]
        tasks = []
        for trial, architecture in enumerate(architectures, start=number):
            stored = self._store.content.candidates.get(trial)
            if stored is None:
                tasks.append(self._task(trial, architecture))
            elif stored.key != keys[trial - number]:
                raise RunError(
                    f"candidate {trial} in the store is not what this search proposes; was the file"
                    " or the software changed?"
                )
        for outcome in self._outcomes(tasks):
            index = outcome.number - number
            cheap = {name: float(known[name][index]) for name in self._feasibility.known.names}
            self._add(outcome, keys[index], rows[index], cheap)

    def _task(self, trial: int, architecture: Architecture) -> EvaluationTask:
        config = self._config
        return EvaluationTask(
            number=trial,
            architecture=architecture,
            metrics=tuple(map(str, config.costly)),
            scoring=config.scoring,
            seed=config.seed,
            training=config.training,
            folder=self._store.folder / FOLDER,
            epochs=config.training.first if config.training else None,
        )

    def _outcomes(self, tasks: Sequence[EvaluationTask]) -> Iterable[Outcome]:
        if self._runner is None:
            return (Outcome(task.number, {}, None, 0.0) for task in tasks)
        return self._runner.run(tasks)

    def _add(self, outcome: Outcome, key: str, row: Rows, cheap: dict[str, float]) -> None:
        """Add an evaluated candidate to the store."""
        number = outcome.number
        scores = cheap | dict(outcome.scores)
        status: Status = "failed" if outcome.error else "complete"
        if not outcome.error and worst_excess(self._budgets, scores) > 0:
            status = "infeasible"
        origin = self._warm_start[number][0] if number < len(self._warm_start) else "sampler"
        candidate = Candidate(
            number=number,
            key=key,
            row=tuple(row.tolist()),
            status=status,
            scores=scores,
            error=outcome.error,
            seconds=outcome.seconds,
            origin=origin,
            notes=self._study.notes(number),
        )
        self._store.add(candidate)
        self._listener(candidate)


def _needs_last_rung(budget: Budget, config: RunConfig) -> bool:
    """Return True if a budget is on trained accuracy and trainings continue on further rungs."""
    trained = budget.metric.source is Source.TRAINED
    return trained and config.training is not None and bool(config.training.rungs)
