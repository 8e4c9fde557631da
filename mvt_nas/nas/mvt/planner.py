"""Plans of batches.

The first trials follow an initial design, later ones the acquisition function. Where all objectives
are known, the points of their front are proposed. A plan follows from the finished trials and the
run's seed; it is made at the first proposal of a batch and kept for the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from optuna.trial import FrozenTrial

from mvt_nas.nas.mvt.acquisition import Acquisition
from mvt_nas.nas.mvt.features import RowFeatures
from mvt_nas.nas.mvt.initial_design import fresh_rows, initial_design
from mvt_nas.nas.mvt.known_front import KnownFrontSearch
from mvt_nas.nas.mvt.memory import SearchMemory
from mvt_nas.nas.mvt.observations import ObservationLedger, Observations
from mvt_nas.nas.mvt.posterior import CostlyModels
from mvt_nas.nas.mvt.problem import OptimizationProblem
from mvt_nas.nas.mvt.variation import exclude_rows
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.space.columns import Rows

DESIGNED = 16
"""Number of trials with values before anything is modelled."""


class Planner:
    """Plans batches of one search.

    Args:
        problem: Objectives and budgets.
        feasibility: Space, with budgets on its known metrics.
        run_seed: Seed of the search.
        memory: Intermediate results, kept between proposals.
    """

    def __init__(
        self,
        problem: OptimizationProblem,
        feasibility: Feasibility,
        run_seed: int,
        memory: SearchMemory,
    ) -> None:
        self._problem = problem
        self._feasibility = feasibility
        self._run_seed = run_seed
        self._memory = memory

    @property
    def problem(self) -> OptimizationProblem:
        """Objectives and budgets."""
        return self._problem

    @property
    def features(self) -> RowFeatures:
        """Feature extractor of the space."""
        if self._memory.features is None:
            self._memory.features = RowFeatures(self._feasibility, self._problem)
        return self._memory.features

    @property
    def front(self) -> KnownFrontSearch:
        """Front search, used where all objectives are known."""
        if self._memory.front is None:
            self._memory.front = KnownFrontSearch(self._problem, self._feasibility, self._run_seed)
        return self._memory.front

    @property
    def _ledger(self) -> ObservationLedger:
        if self._memory.ledger is None:
            self._memory.ledger = ObservationLedger(self._problem, self._feasibility)
        return self._memory.ledger

    def plan(self, trials: Sequence[FrozenTrial], count: int, unseen: Sequence[Rows] = ()) -> Rows:
        """Return ``count`` rows to propose, the best first.

        Rows repeat where no new one is left; there are none where no row is feasible.

        Args:
            trials: Trials of the study, in the order of their numbers.
            count: Number of rows.
            unseen: Rows of running trials whose parameters the study does not hold yet.
        """
        observations = self._ledger.read(trials)
        if unseen:
            running = np.concatenate([observations.running, np.stack(unseen)])
            observations = replace(observations, running=running)
        rng = np.random.default_rng([self._run_seed, len(observations.taken), 2])
        rows = self._plan(observations, count, rng)
        if len(rows) < count:
            random = fresh_rows(self._feasibility, 8 * count, rng)
            new = exclude_rows(random, np.concatenate([observations.busy, rows]))
            rows = np.concatenate([rows, new, random])[:count]
        return rows

    def _plan(self, observations: Observations, count: int, rng: np.random.Generator) -> Rows:
        if self._problem.all_known and not observations.excesses:
            return self.front.next(observations, count)
        if len(observations.rows) < DESIGNED:
            return initial_design(
                self._feasibility, self._problem, self.features, observations.busy, count, rng
            )
        models = CostlyModels(
            self._problem, self._feasibility, self.features, observations, self._memory.kernels
        )
        acquisition = Acquisition(self._problem, self._feasibility, models, observations, rng)
        return acquisition.batch(count)
