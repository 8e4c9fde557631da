"""Acquisition: the batch of rows with the largest expected hypervolume improvement.

In a small space every feasible row is compared. In a large one, a pool of candidates is bred
towards the largest expected improvement; the batch is chosen from the best of the pool.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mvt_nas._typing import FloatArray, IndexArray
from mvt_nas.nas.mvt.batch_selection import PosteriorSamples, select_batch
from mvt_nas.nas.mvt.box_decomposition import (
    BoxDecomposition,
    Posterior,
    decompose_undominated,
    expected_improvements,
)
from mvt_nas.nas.mvt.initial_design import fresh_rows
from mvt_nas.nas.mvt.observations import Observations
from mvt_nas.nas.mvt.pareto_search import crowding, enumerated_front, nondominated_mask
from mvt_nas.nas.mvt.posterior import CandidatePool, CostlyModels
from mvt_nas.nas.mvt.problem import OptimizationProblem
from mvt_nas.nas.mvt.variation import Variation, exclude_rows, unique_rows
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.space.columns import Rows

WHOLE = 12_000
"""Largest size of a space of which all feasible rows are compared."""

# The batch is chosen from about this many rows. Half of the shortlist are the best rows of each of
# the bins into which the means of every objective are divided.
_SHORTLIST = 256
_BINS = 16
# Random rows and children in the first pool, children of each further round, and number of rounds.
_FRESH = 1024
_BRED = 1024
_ROUNDS = 4
# Rows that survive a round, in addition to those on optimistic fronts.
_KEPT = 1536
_PARENTS = 64
# The reference point is beyond the worst reachable costs by this fraction of their range.
_MARGIN = 0.1
# A row that is dominated even this many standard deviations below its mean improves nothing.
_LUCK = 3.0
_LIKELY = 1e-3
# Largest number of front points that are decomposed into boxes, by number of objectives: more
# objectives give more boxes a point.
_MAX_POINTS = {1: 1, 2: 400, 3: 200, 4: 45}
_MAX_POINTS_OF_MORE = 16
# Joint samples per batch: up to three objectives, and of more.
_SAMPLES, _SAMPLES_OF_MORE = 64, 32


@dataclass(frozen=True, slots=True)
class _ScaledFront:
    """The current front, scaled so that the best reachable costs are about 0 and the worst 1.

    Attributes:
        ideal: Best reachable costs, (objectives,).
        scale: Range of the reachable costs, (objectives,).
        boxes: Region that the front leaves undominated, scaled.
        points: Front, scaled, (k, objectives).
        thinned: True if ``boxes`` is the undominated region of a part of the front only.
    """

    ideal: FloatArray
    scale: FloatArray
    boxes: BoxDecomposition
    points: FloatArray
    thinned: bool

    def scaled(self, costs: FloatArray) -> FloatArray:
        """Return scaled costs, (..., objectives)."""
        return (costs - self.ideal) / self.scale

    def scaled_posterior(self, posterior: Posterior) -> Posterior:
        """Return the posterior of scaled costs."""
        return Posterior(
            self.scaled(posterior.mean),
            posterior.deviation / self.scale,
            self.scaled(posterior.floor),
        )

    def expected_improvements(self, pool: CandidatePool) -> FloatArray:
        """Return the expected improvement of each row times its probability of feasibility, (n,).

        It is zero for rows that the front dominates even with good luck.
        """
        posterior = self.scaled_posterior(pool.posterior)
        expected = expected_improvements(self.boxes, posterior) * pool.feasibility
        if self.thinned:
            # The boxes include regions that the left out points dominate.
            lucky = self.scaled(pool.optimistic(_LUCK))
            for point in self.points:
                expected[(point <= lucky).all(axis=1)] = 0.0
        return expected


class Acquisition:
    """Finds the batch with the largest expected improvement of the front.

    Args:
        problem: Objectives and budgets.
        feasibility: Space and its known metrics.
        models: Models of the costly metrics.
        observations: Finished and running trials.
        rng: Random generator for pools and samples.
    """

    def __init__(
        self,
        problem: OptimizationProblem,
        feasibility: Feasibility,
        models: CostlyModels,
        observations: Observations,
        rng: np.random.Generator,
    ) -> None:
        self._problem = problem
        self._feasibility = feasibility
        self._models = models
        self._observations = observations
        self._rng = rng
        self._variation = Variation(feasibility.space)
        costs = models.observed_costs()
        self._front = costs[nondominated_mask(costs)]

    def batch(self, count: int) -> Rows:
        """Return up to ``count`` rows, the best first, (k, dimensions)."""
        pool = self._candidates()
        if not len(pool):
            return pool.rows
        front = self._scaled_front(pool)
        expected = self._expected_improvements(front, pool)
        shortlist = self._shortlist(pool, expected)
        rows = pool.rows[:0]
        if len(shortlist):
            rows = self._select(front, pool.take(shortlist), expected[shortlist], count)
        if len(rows) < count:
            rows = self._fill(rows, pool, count)
        return rows

    def _select(
        self, front: _ScaledFront, shortlist: CandidatePool, expected: FloatArray, count: int
    ) -> Rows:
        """Return up to ``count`` rows of the shortlist that improve the front together."""
        # Running rows take part in the joint samples, so that the batch does not overlap with them.
        running = self._models.pool(self._observations.running)
        both = shortlist.concatenate(running)
        few_objectives = len(self._problem.objectives) <= 3
        count_samples = _SAMPLES if few_objectives else _SAMPLES_OF_MORE
        samples = self._models.sample(both, count_samples, self._rng)
        scaled_samples = PosteriorSamples(front.scaled(samples.values), samples.allowed)
        chosen = select_batch(
            front.boxes,
            np.concatenate([expected, np.zeros(len(running))]),
            scaled_samples,
            count,
            pending=range(len(shortlist), len(both)),
        )
        return both.rows[chosen]

    def _expected_improvements(self, front: _ScaledFront, pool: CandidatePool) -> FloatArray:
        """Return the expected improvement of each row, (n,).

        As long as no trial meets the budgets there is nothing to improve: then it is the
        probability to meet them, or, where that is low everywhere, a measure of the distance.

        Source of the former: Gelbart, Snoek and Adams, "Bayesian optimization with unknown
        constraints", arXiv 1403.5607, section 3.
        """
        if not self._models.has_constraints or self._observations.feasible.any():
            return front.expected_improvements(pool)
        if pool.feasibility.max(initial=0.0) > _LIKELY:
            return pool.feasibility
        return 1.0 / (1.0 + pool.excess)

    def _candidates(self) -> CandidatePool:
        """Return a pool of new rows that includes the promising ones of the space."""
        busy = self._observations.busy
        if self._feasibility.space.size <= WHOLE:
            rows = enumerated_front(self._feasibility)
            assert rows is not None
            return self._models.pool(exclude_rows(rows, busy))
        pool = self._models.pool(exclude_rows(self._first_pool(), busy))
        for _ in range(_ROUNDS):
            if not len(pool):
                break
            pool, parents = self._survivors(pool)
            children = unique_rows(self._variation.children(parents, _BRED, self._rng))
            children = exclude_rows(exclude_rows(children, busy), pool.rows)
            feasible_children = children[self._feasibility.mask(children)]
            pool = pool.concatenate(self._models.pool(feasible_children))
        return pool

    def _first_pool(self) -> Rows:
        """Return random feasible rows, and children of the observed front."""
        observations = self._observations
        rows = observations.rows[observations.feasible]
        costs = observations.costs[observations.feasible]
        best = rows[nondominated_mask(costs)]
        parents = best if len(best) else observations.rows
        children = self._variation.children(parents, _BRED, self._rng)
        fresh = fresh_rows(self._feasibility, _FRESH, self._rng)
        feasible_children = children[self._feasibility.mask(children)]
        return unique_rows(np.concatenate([fresh, feasible_children]))

    def _survivors(self, pool: CandidatePool) -> tuple[CandidatePool, Rows]:
        """Return the better part of a pool, and the parents of the next children.

        Both hold the rows with the largest expected improvement, and fronts of costs at several
        levels of optimism.
        """
        expected = self._expected_improvements(self._scaled_front(pool), pool)
        order = np.argsort(-expected, kind="stable")
        fronts = [
            _front_indices(pool.optimistic(deviations), _PARENTS) for deviations in (0.0, 1.0, 2.0)
        ]
        kept = np.unique(np.concatenate([order[:_KEPT], *fronts]))
        parents = np.concatenate([order[:_PARENTS], *fronts])
        return pool.take(kept), pool.rows[parents]

    def _scaled_front(self, pool: CandidatePool) -> _ScaledFront:
        """Return the front, scaled to the range of the observed and the optimistic costs."""
        optimistic = pool.optimistic(1.0)
        reachable = np.concatenate([optimistic[nondominated_mask(optimistic)], self._front])
        ideal = reachable.min(axis=0)
        worst = reachable.max(axis=0)
        span = np.where(worst > ideal, worst - ideal, np.maximum(np.abs(worst), 1e-9))
        reference = np.minimum(worst + _MARGIN * span, self._problem.highest)
        points = (self._front - ideal) / span
        limit = (reference - ideal) / span
        points = points[(points < limit).all(axis=1)]
        most = _MAX_POINTS.get(points.shape[1], _MAX_POINTS_OF_MORE)
        boxes = decompose_undominated(points[_front_indices(points, most)], limit, self._rng)
        return _ScaledFront(ideal, span, boxes, points, thinned=len(points) > most)

    def _shortlist(self, pool: CandidatePool, expected: FloatArray) -> IndexArray:
        """Return the indices of the rows from which the batch is chosen, ascending.

        Half of them have the largest expected improvement. The others are the best of each part of
        the front, so that a batch can spread.
        """
        order = np.argsort(-expected, kind="stable")
        order = order[expected[order] > 0]
        chosen = [order[: _SHORTLIST // 2]]
        objectives = pool.posterior.mean.shape[1]
        best = order[: 16 * _SHORTLIST]
        per_bin = max(_SHORTLIST // 2 // _BINS // objectives, 1)
        for column in range(objectives):
            # Divide the best rows into bins of equal size by their mean in this objective. The
            # argsort of an argsort gives ranks.
            by_mean = np.argsort(pool.posterior.mean[best, column], kind="stable")
            ranks = np.argsort(by_mean, kind="stable")
            bins = ranks * _BINS // max(len(best), 1)
            chosen += [best[bins == number][:per_bin] for number in range(_BINS)]
        return np.unique(np.concatenate(chosen))

    def _fill(self, rows: Rows, pool: CandidatePool, count: int) -> Rows:
        """Return ``count`` rows: those given, then those that are best if the models are wrong."""
        chosen = _indices_of(pool.rows, rows)
        rest = pool.take(np.flatnonzero(~np.isin(np.arange(len(pool)), chosen)))
        # The sum of optimistic scaled costs: less is better.
        optimistic = self._scaled_front(pool).scaled(rest.optimistic(2.0))
        cost = np.sum(optimistic, axis=1) - rest.feasibility
        order = np.argsort(cost, kind="stable")[: count - len(rows)]
        return np.concatenate([rows, rest.rows[order]])


def _indices_of(rows: Rows, some: Rows) -> IndexArray:
    """Return the indices of ``some`` among the rows."""
    return np.array(
        [int(np.flatnonzero((rows == row).all(axis=1))[0]) for row in some], dtype=np.intp
    )


def _front_indices(costs: FloatArray, most: int) -> IndexArray:
    """Return the indices of the front of some costs; the least crowded ``most`` of a large one."""
    indices = np.flatnonzero(nondominated_mask(costs))
    if len(indices) > most:
        least_crowded = np.argsort(-crowding(costs[indices]), kind="stable")[:most]
        indices = indices[np.sort(least_crowded)]
    return indices
