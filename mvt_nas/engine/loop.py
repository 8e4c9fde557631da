"""The loop of a search: ask for a batch, evaluate it, tell it in order, again.

What a batch proposes depends on the finished batches and the seed only. So an interrupted run asks its last batch anew, takes what it
had finished of it from the store, evaluates the rest, and goes on as if nothing had happened; and it does not matter how many workers
there are or who finishes first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mvt_nas.cost.table import CostTable
from mvt_nas.engine.candidates import Candidate, Status
from mvt_nas.engine.config import RunConfig
from mvt_nas.engine.evaluate import Outcome, Task
from mvt_nas.engine.feasible import Feasibility
from mvt_nas.engine.objectives import worst_excess
from mvt_nas.engine.repair import Exhausted, Repair, Replaced
from mvt_nas.engine.runners.contract import Runner
from mvt_nas.engine.samplers.contract import SAMPLERS, SamplerContext
from mvt_nas.engine.store import Store
from mvt_nas.engine.study import SearchStudy
from mvt_nas.errors import RunError
from mvt_nas.cost.names import COST_NAMES
from mvt_nas.space.columns import Rows
from mvt_nas.space.published import published_names, zoo
from mvt_nas.space.search_space import SearchSpace

Listener = Callable[[Candidate], None]
"""Is told each candidate that is new in this process."""


class Loop:
    """A search that can be stopped after any line of its store.

    Args:
        config: of the run.
        table: of the run's space.
        store: of the run.
        runner: evaluates candidates; ``None`` where all metrics are costs.
        listener: see :data:`Listener`.
    """

    def __init__(self, config: RunConfig, table: CostTable, store: Store, runner: Runner | None, listener: Listener) -> None:
        self._config = config
        self._space: SearchSpace = table.space
        self._table = table
        self._store = store
        self._runner = runner
        self._listener = listener
        cheap = [budget for budget in config.budgets if budget.metric in COST_NAMES]
        costly = [budget for budget in config.budgets if budget.metric not in COST_NAMES]
        self._feasibility = Feasibility(table, cheap)
        self._repair = Repair(self._feasibility)
        self._study = SearchStudy(self._space, config.objectives, costly)
        self._first = warm_start(self._feasibility) if config.warm_start else []
        self._sampler = SAMPLERS.get(config.sampler)

    @property
    def replaced(self) -> Replaced:
        """How many proposals were infeasible or known, since this process began."""
        return self._repair.replaced

    def run(self) -> bool:
        """Search until the trials are done; return whether the space was exhausted before.

        Raises:
            RunError: the store belongs to another search.
        """
        number = self._restore()
        while number < self._config.trials:
            size = min(self._config.batch, self._config.trials - number)
            rows = self._ask(number, size)
            self._evaluate(number, rows)
            for told in range(number, number + len(rows)):
                self._tell(told)
            if rows:
                self._store.finish_batch(len(rows), self._study.shared_notes)
            if len(rows) < size:
                self._store.exhaust()
                return True
            number += size
        return False

    def _restore(self) -> int:
        """Rebuild the study from the finished whole batches; return the number of the next trial."""
        number = 0
        for size, notes in self._store.content.batches:
            if size != self._config.batch:
                break
            for told in range(number, number + size):
                candidate = self._store.content.candidates.get(told)
                if candidate is None:
                    raise RunError(f"the store lacks candidate {told} of a finished batch; restore the file or start a new run")
                row = np.asarray(candidate.row, dtype=np.int32)
                self._repair.take(row)
                self._study.restore(candidate, row, candidate.notes)
            self._study.shared_notes = notes
            number += size
        return number

    def _ask(self, number: int, size: int) -> list[Rows]:
        """Return the rows of a batch; fewer than ``size`` where nothing is left."""
        rows: list[Rows] = []
        for trial in range(number, number + size):
            try:
                rows.append(self._study.ask(self._make_sampler(trial), lambda row, trial=trial: self._replace(row, trial)))  # type: ignore[misc]
            except Exhausted:
                break
        return rows

    def _make_sampler(self, trial: int):  # type: ignore[no-untyped-def]  # Optuna's BaseSampler, whose import is left to the plug-ins
        seed = int(np.random.SeedSequence([self._config.seed, trial]).generate_state(1)[0])
        return self._sampler(SamplerContext(seed, self._config.seed, trial, self._feasibility))

    def _replace(self, row: Rows, trial: int) -> Rows:
        """Return the candidate in place of a proposal: a published model during the warm start, else the repaired row."""
        if trial < len(self._first):
            first = self._first[trial][1]
            self._repair.take(first)
            return first
        return self._repair(row, np.random.default_rng([self._config.seed, trial, 1]))

    def _evaluate(self, number: int, rows: Sequence[Rows]) -> None:
        """Bring every row of a batch into the store, but those that an interrupted process has left there."""
        if not rows:
            return
        architectures = self._space.decode_many(np.stack(rows))
        costs = self._table.costs(np.stack(rows))
        tasks = []
        for index, architecture in enumerate(architectures):
            known = self._store.content.candidates.get(number + index)
            if known is None:
                tasks.append(Task(number + index, architecture, tuple(self._config.costly), self._config.scoring, self._config.seed))
            elif known.key != architecture.key:
                raise RunError(f"candidate {known.number} of the store is another architecture than this search proposes; was the file changed?")
        for outcome in self._outcomes(tasks):
            index = outcome.number - number
            cheap = {name: float(costs[name][index]) for name in COST_NAMES}
            self._add(outcome, architectures[index].key, rows[index], cheap)

    def _outcomes(self, tasks: Sequence[Task]):  # type: ignore[no-untyped-def]
        if self._runner is None:
            return (Outcome(task.number, {}, None, 0.0) for task in tasks)
        return self._runner.run(tasks)

    def _add(self, outcome: Outcome, key: str, row: Rows, cheap: dict[str, float]) -> None:
        scores = cheap | dict(outcome.scores)
        status: Status = "failed" if outcome.error else "complete"
        if not outcome.error and worst_excess(self._config.budgets, scores) > 0:
            status = "infeasible"
        origin = self._first[outcome.number][0] if outcome.number < len(self._first) else "sampler"
        codes = tuple(int(code) for code in row)
        candidate = Candidate(outcome.number, key, codes, status, scores, outcome.error, outcome.seconds, origin, self._study.notes(outcome.number))
        self._store.add(candidate)
        self._listener(candidate)

    def _tell(self, number: int) -> None:
        self._study.tell(self._store.content.candidates[number])


def warm_start(feasibility: Feasibility) -> list[tuple[str, Rows]]:
    """Return the published models that are points of the space and meet the budgets, with their rows."""
    found: list[tuple[str, Rows]] = []
    for name in published_names():
        if feasibility.space.contains(zoo(name)):
            row = feasibility.space.encode(zoo(name))
            if feasibility.mask(row[None])[0]:
                found.append((name, row))
    return found
