"""Which rows to evaluate next: pools of candidates, bred towards the largest expected improvement, and a batch chosen from the best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import FloatArray
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
"""Spaces with at most so many feasible rows are looked at whole."""

_SHORTLIST = 256
_BINS = 16
_FRESH = 1024
_BRED = 1024
_ROUNDS = 4
_KEPT = 1536
_MARGIN = 0.1
_LUCK = 3.0
_LIKELY = 1e-3
_FRONT = {
    1: 1,
    2: 400,
    3: 200,
    4: 45,
}  # points of a front whose boxes are few enough, by number of objectives
_FRONT_OF_MORE = 16
_SAMPLES, _SAMPLES_OF_MORE = 64, 32  # up to three objectives, and of more


@dataclass(frozen=True, slots=True)
class _Scene:
    """The front that is to be improved, scaled so that the reference point is 1 and the best values about 0.

    Attributes:
        ideal: (objectives,), in costs.
        scale: (objectives,), in costs.
        boxes: what the front leaves undominated.
        front: (k, objectives), scaled.
        thinned: whether the boxes are those of a part of the front only.
    """

    ideal: FloatArray
    scale: FloatArray
    boxes: BoxDecomposition
    front: FloatArray
    thinned: bool

    def scaled(self, costs: FloatArray) -> FloatArray:
        return (costs - self.ideal) / self.scale

    def beliefs(self, beliefs: Posterior) -> Posterior:
        return Posterior(
            self.scaled(beliefs.mean), beliefs.deviation / self.scale, self.scaled(beliefs.floor)
        )

    def expected(self, pool: CandidatePool) -> FloatArray:
        """Return the expected improvement of each row, (n,); none where even good luck would leave a row dominated."""
        expected = expected_improvements(self.boxes, self.beliefs(pool.beliefs)) * pool.likely
        if self.thinned:
            lucky = self.scaled(pool.optimistic(_LUCK))
            for point in self.front:
                expected[(point <= lucky).all(axis=1)] = 0.0
        return expected


class Acquisition:
    """Finds the batch that improves the front most, as far as the models see.

    Args:
        goals: what is wanted.
        feasibility: the space.
        models: of what is not known.
        seen: the finished trials.
        rng: for pools and samples.
    """

    def __init__(
        self,
        goals: OptimizationProblem,
        feasibility: Feasibility,
        models: CostlyModels,
        seen: Observations,
        rng: np.random.Generator,
    ) -> None:
        self._goals, self._feasibility, self._models, self._seen, self._rng = (
            goals,
            feasibility,
            models,
            seen,
            rng,
        )
        self._breeder = Variation(feasibility.space)
        self._front = models.seen_costs()
        self._front = self._front[nondominated_mask(self._front)]

    def batch(self, count: int) -> Rows:
        """Return up to ``count`` rows, the best first, (k, dimensions)."""
        pool = self._candidates()
        if not len(pool):
            return pool.rows
        scene = self._scene(pool)
        expected = self._expected(scene, pool)
        shortlist = self._shortlist(pool, expected)
        if not len(shortlist):
            return self._filled(pool.rows[:0], pool, count)
        running = self._models.pool(self._seen.running)
        both = pool.take(shortlist).and_(running)
        samples = _SAMPLES if len(self._goals.objectives) <= 3 else _SAMPLES_OF_MORE
        values, allowed = self._models.draw(both, samples, self._rng)
        drawn = PosteriorSamples(scene.scaled(values), allowed)
        by_itself = np.concatenate([expected[shortlist], np.zeros(len(running))])
        chosen = select_batch(
            scene.boxes, by_itself, drawn, count, range(len(shortlist), len(both))
        )
        rows = both.rows[chosen]
        return rows if len(rows) == count else self._filled(rows, pool, count)

    def _expected(self, scene: _Scene, pool: CandidatePool) -> FloatArray:
        """Return the expected improvement of each row, (n,).

        As long as nothing has met the budgets there is nothing to improve: then how likely a row is
            to meet them, and where none is, how
        near it may come.

        Source of the former: Gelbart, Snoek and Adams, "Bayesian optimization with unknown
            constraints", arXiv 1403.5607, section 3.
        """
        if not self._models.bounded or self._seen.feasible.any():
            return scene.expected(pool)
        return pool.likely if pool.likely.max(initial=0.0) > _LIKELY else 1.0 / (1.0 + pool.excess)

    def _candidates(self) -> CandidatePool:
        """Return rows that are not taken, the promising ones of the space among them."""
        busy = np.concatenate([self._seen.taken, self._seen.running])
        if self._feasibility.space.size <= WHOLE:
            rows = enumerated_front(self._feasibility)
            assert rows is not None
            return self._models.pool(exclude_rows(rows, busy))
        pool = self._models.pool(exclude_rows(self._first(), busy))
        for _ in range(_ROUNDS):
            if not len(pool):
                break
            pool, parents = self._selected(pool)
            bred = unique_rows(self._breeder.children(parents, _BRED, self._rng))
            bred = exclude_rows(exclude_rows(bred, busy), pool.rows)
            pool = pool.and_(self._models.pool(bred[self._feasibility.mask(bred)]))
        return pool

    def _first(self) -> Rows:
        """Return fresh rows and descendants of the front."""
        rows = self._seen.rows[self._seen.feasible]
        costs = self._seen.costs[self._seen.feasible]
        best = rows[nondominated_mask(costs)]
        bred = self._breeder.children(best if len(best) else self._seen.rows, _BRED, self._rng)
        return unique_rows(
            np.concatenate(
                [
                    fresh_rows(self._feasibility, _FRESH, self._rng),
                    bred[self._feasibility.mask(bred)],
                ]
            )
        )

    def _selected(self, pool: CandidatePool) -> tuple[CandidatePool, Rows]:
        """Return the better part of a pool, and whose descendants to look at next: those on optimistic fronts, and the best."""
        expected = self._expected(self._scene(pool), pool)
        order = np.argsort(-expected, kind="stable")
        fronts = [_thinned(pool.optimistic(deviations), 64) for deviations in (0.0, 1.0, 2.0)]
        kept = np.unique(np.concatenate([order[:_KEPT], *fronts]))
        parents = np.concatenate([order[:64], *fronts])
        return pool.take(kept), pool.rows[parents]

    def _scene(self, pool: CandidatePool) -> _Scene:
        """Return the front within the range of what could be reached, with a tenth of it to spare."""
        hopes = pool.optimistic(1.0)
        reach = np.concatenate([hopes[nondominated_mask(hopes)], self._front])
        ideal, worst = reach.min(axis=0), reach.max(axis=0)
        span = np.where(worst > ideal, worst - ideal, np.maximum(np.abs(worst), 1e-9))
        reference = np.minimum(worst + _MARGIN * span, self._goals.highest)
        front = (self._front - ideal) / span
        limit = (reference - ideal) / span
        front = front[(front < limit).all(axis=1)]
        most = _FRONT.get(front.shape[1], _FRONT_OF_MORE)
        return _Scene(
            ideal,
            span,
            decompose_undominated(front[_thinned(front, most)], limit, self._rng),
            front,
            len(front) > most,
        )

    def _shortlist(self, pool: CandidatePool, expected: FloatArray) -> NDArray[np.intp]:
        """Return the places of rows to choose the batch from: the best, half of them the best of each part of the front."""
        order = np.argsort(-expected, kind="stable")
        order = order[expected[order] > 0]
        chosen = [order[: _SHORTLIST // 2]]
        for column in range(pool.beliefs.mean.shape[1]):
            among = order[: 16 * _SHORTLIST]
            ranks = np.argsort(
                np.argsort(pool.beliefs.mean[among, column], kind="stable"), kind="stable"
            )
            part = ranks * _BINS // max(len(among), 1)
            each = max(_SHORTLIST // 2 // _BINS // pool.beliefs.mean.shape[1], 1)
            chosen += [among[part == number][:each] for number in range(_BINS)]
        return np.unique(np.concatenate(chosen))

    def _filled(self, rows: Rows, pool: CandidatePool, count: int) -> Rows:
        """Return the rows, and then those that would improve most if models were wrong."""
        left = pool.take(np.flatnonzero(~np.isin(np.arange(len(pool)), _places(pool.rows, rows))))
        hope = np.sum(self._scene(pool).scaled(left.optimistic(2.0)), axis=1) - left.likely
        return np.concatenate(
            [rows, left.rows[np.argsort(hope, kind="stable")[: count - len(rows)]]]
        )


def _places(rows: Rows, some: Rows) -> NDArray[np.intp]:
    """Return where ``some`` stand among the rows."""
    return np.array(
        [int(np.flatnonzero((rows == one).all(axis=1))[0]) for one in some], dtype=np.intp
    )


def _thinned(costs: FloatArray, most: int) -> NDArray[np.intp]:
    """Return the places of the front of some costs; of a large one the least crowded."""
    places = np.flatnonzero(nondominated_mask(costs))
    if len(places) > most:
        places = places[np.sort(np.argsort(-crowding(costs[places]), kind="stable")[:most])]
    return places
