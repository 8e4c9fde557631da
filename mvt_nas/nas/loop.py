"""The loop of a search: ask for a batch, evaluate it, tell it in order, again.

What a batch proposes depends on the finished batches and the seed only. So an interrupted run asks
its last batch anew, takes what it had finished of it from the store, evaluates the rest, and goes
on as if nothing had happened; and it does not matter how many workers there are or who finishes
first.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mvt_nas.errors import RunError
from mvt_nas.metrics.metric import Source
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
"""Is told each candidate that is new in this process."""


class Loop:
    """A search that can be stopped after any line of its store.

    Args:
        config: of the run.
        feasibility: the run's space with the budgets on what is known.
        store: of the run.
        runner: evaluates candidates; ``None`` where all metrics are known.
        listener: see :data:`Listener`.
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
            budget for budget in config.budgets if not _decided_later(budget, config)
        )
        self._costly_budgets = tuple(
            budget for budget in config.costly_budgets if not _decided_later(budget, config)
        )
        self._study = SearchStudy(feasibility.space, config.objectives, self._costly_budgets)
        self._first = warm_start(feasibility) if config.warm_start else []
        self._sampler = SAMPLERS.get(config.sampler)
        self._memory: dict[Any, Any] = {}

    @property
    def replaced(self) -> RepairStats:
        """How many proposals were infeasible or known, since this process began."""
        return self._repair.replaced

    def run(self, until_s: float = math.inf) -> Reason:
        """Search until the trials are done, the front stalls, or the space is exhausted, which the store then says; return which it was.

        Args:
            until_s: the reading of ``time.monotonic`` after which no further batch is begun; one is
                always made.

        Raises:
            RunError: the store belongs to another search, or cannot be written.
        """
        number, stall = self._restore(), NoImprovement(self._config)
        while number < self._config.trials:
            size = min(self._config.batch, self._config.trials - number)
            made = self._make_batch(number, size)
            number += made
            if made < size:
                self._store.exhaust()
                return "exhausted"
            if number < self._config.trials and stall.holds(self._store.content.candidates, number):
                return "stalled"
            if number < self._config.trials and time.monotonic() >= until_s:
                return "minutes"
        return "trials"

    def about(self) -> str:
        """Return in words what the proposals rest on; empty where the sampler does not say."""
        return str(getattr(self._make_sampler(0), "about", str)())

    def _make_batch(self, number: int, size: int) -> int:
        """Ask for a batch, evaluate it and tell it; return its size, which is less than asked for where nothing is left."""
        rows = self._ask(number, size)
        if rows:
            self._evaluate(number, np.stack(rows))
            for told in range(number, number + len(rows)):
                self._study.tell(self._store.content.candidates[told])
            self._store.finish_batch(BatchRecord(number, len(rows), self._study.new_shared_notes()))
        return len(rows)

    def _restore(self) -> int:
        """Rebuild the study from the finished whole batches; return the number of the next trial."""
        number = 0
        batches, candidates = self._store.content.batches, self._store.content.candidates
        while number in batches and batches[number].size == self._config.batch:
            for told in range(number, number + self._config.batch):
                if told not in candidates:
                    raise RunError(
                        f"the store lacks candidate {told} of a finished batch; restore the file or"
                        " start a new run"
                    )
                self._repair.take(np.asarray(candidates[told].row, dtype=np.int32))
                self._study.restore(candidates[told])
            self._study.restore_shared_notes(batches[number].notes)
            number += self._config.batch
        return number

    def _ask(self, number: int, size: int) -> list[Rows]:
        """Return the rows of a batch; fewer than ``size`` where nothing is left."""
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
        seed = int(np.random.SeedSequence([self._config.seed, trial]).generate_state(1)[0])
        config = self._config
        budgets, batch = self._costly_budgets, config.batch
        return self._sampler(
            SamplerContext(
                seed,
                config.seed,
                trial,
                self._feasibility,
                config.objectives,
                budgets,
                batch,
                self._memory,
            )
        )

    def _replace(self, trial: int, row: Rows) -> Rows:
        """Return the candidate in place of a proposal: a published model during the warm start, else the repaired row."""
        if trial < len(self._first):
            first = self._first[trial][1]
            self._repair.take(first)
            return first
        return self._repair(row, np.random.default_rng([self._config.seed, trial, 1]))

    def _evaluate(self, number: int, rows: Rows) -> None:
        """Bring every row of a batch into the store, but those that an interrupted process has left there."""
        architectures = self._feasibility.space.decode_many(rows)
        known = self._feasibility.known.of(rows)
        keys = [architecture.key for architecture in architectures]
        tasks = []
        for trial, architecture in enumerate(architectures, start=number):
            kept = self._store.content.candidates.get(trial)
            if kept is None:
                tasks.append(self._task(trial, architecture))
            elif kept.key != keys[trial - number]:
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
        epochs = config.training.first if config.training else None
        metrics, folder = tuple(map(str, config.costly)), self._store.folder / FOLDER
        return EvaluationTask(
            trial,
            architecture,
            metrics,
            config.scoring,
            config.seed,
            config.training,
            folder,
            epochs,
        )

    def _outcomes(self, tasks: Sequence[EvaluationTask]) -> Iterable[Outcome]:
        if self._runner is None:
            return (Outcome(task.number, {}, None, 0.0) for task in tasks)
        return self._runner.run(tasks)

    def _add(self, outcome: Outcome, key: str, row: Rows, cheap: dict[str, float]) -> None:
        scores = cheap | dict(outcome.scores)
        status: Status = "failed" if outcome.error else "complete"
        if not outcome.error and worst_excess(self._budgets, scores) > 0:
            status = "infeasible"
        number = outcome.number
        origin = self._first[number][0] if number < len(self._first) else "sampler"
        notes = self._study.notes(number)
        candidate = Candidate(
            number,
            key,
            tuple(row.tolist()),
            status,
            scores,
            outcome.error,
            outcome.seconds,
            origin,
            notes,
        )
        self._store.add(candidate)
        self._listener(candidate)


def _decided_later(budget: Budget, config: RunConfig) -> bool:
    """Return whether a budget is on what trainings reach in the end, where they only begin here."""
    trained = budget.metric.source is Source.TRAINED
    return trained and config.training is not None and bool(config.training.rungs)
