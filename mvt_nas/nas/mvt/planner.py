"""What a batch proposes: a design at first, then what improves the front most; where everything is known, the front itself.

A plan follows from the finished trials and the run's seed. It is made at the first proposal of a
batch and remembered for the others.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from mvt_nas.nas.mvt.acquisition import Acquisition
from mvt_nas.nas.mvt.features import RowFeatures
from mvt_nas.nas.mvt.initial_design import fresh_rows, initial_design
from mvt_nas.nas.mvt.known_front import KnownFrontSearch
from mvt_nas.nas.mvt.observations import ObservationLedger, Observations
from mvt_nas.nas.mvt.posterior import CostlyModels
from mvt_nas.nas.mvt.problem import OptimizationProblem
from mvt_nas.nas.mvt.variation import exclude_rows
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.space.columns import Rows

DESIGNED = 16
"""Trials with values before anything is modelled."""


class Planner:
    """Plans batches for one search.

    Args:
        goals: what is wanted.
        feasibility: the space, with budgets on what is known.
        run_seed: of the search.
        memory: for what is computed once; may be empty at any time.
    """

    def __init__(
        self,
        goals: OptimizationProblem,
        feasibility: Feasibility,
        run_seed: int,
        memory: MutableMapping[Any, Any],
    ) -> None:
        self._goals, self._feasibility, self._run_seed, self._memory = (
            goals,
            feasibility,
            run_seed,
            memory,
        )

    @property
    def goals(self) -> OptimizationProblem:
        """What is wanted."""
        return self._goals

    @property
    def features(self) -> RowFeatures:
        """What the models see."""
        found: RowFeatures = self._once(
            "features", lambda: RowFeatures(self._feasibility, self._goals)
        )
        return found

    @property
    def front(self) -> KnownFrontSearch:
        """The front where everything is known."""
        found: KnownFrontSearch = self._once(
            "front", lambda: KnownFrontSearch(self._goals, self._feasibility, self._run_seed)
        )
        return found

    @property
    def _ledger(self) -> ObservationLedger:
        found: ObservationLedger = self._once(
            "ledger", lambda: ObservationLedger(self._goals, self._feasibility)
        )
        return found

    @property
    def all_known(self) -> bool:
        """Whether there is nothing to learn from evaluations."""
        return not self._goals.costly and not self._goals.budgets

    def plan(self, trials: Sequence[FrozenTrial], count: int, unseen: Sequence[Rows] = ()) -> Rows:
        """Return ``count`` rows to propose, the best first; where nothing new is left, old ones; none where nothing is feasible.

        Args:
            trials: of the study, in the order of their numbers.
            count: rows to return.
            unseen: rows that run, of which the trials do not say so yet.
        """
        seen = self._ledger.read(trials)
        if unseen:
            seen = replace(seen, running=np.concatenate([seen.running, np.stack(unseen)]))
        rng = np.random.default_rng([self._run_seed, len(seen.taken), 2])
        rows = self._planned(seen, count, rng)
        if len(rows) < count:
            more = fresh_rows(self._feasibility, 8 * count, rng)
            new = exclude_rows(more, np.concatenate([seen.taken, seen.running, rows]))
            rows = np.concatenate([rows, new, more])[:count]
        return rows

    def _planned(self, seen: Observations, count: int, rng: np.random.Generator) -> Rows:
        if self.all_known and not seen.excesses:
            return self.front.next(seen, count)
        if len(seen.rows) < DESIGNED:
            busy = np.concatenate([seen.taken, seen.running])
            return initial_design(self._feasibility, self._goals, self.features, busy, count, rng)
        models = CostlyModels(self._goals, self._feasibility, self.features, seen, self._memory)
        return Acquisition(self._goals, self._feasibility, models, seen, rng).batch(count)

    def _once(self, name: str, make: Any) -> Any:
        if name not in self._memory:
            self._memory[name] = make()
        return self._memory[name]
