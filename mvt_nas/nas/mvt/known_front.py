"""Proposals where all objectives are known: the points of the front, the widest first.

The front is searched before anything is proposed. Once its points are used up, the search continues
with the front of the remaining rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import BoolArray, FloatArray, IndexArray
from mvt_nas.nas.mvt.batch_selection import PosteriorSamples, select_batch
from mvt_nas.nas.mvt.box_decomposition import BoxDecomposition, decompose_undominated
from mvt_nas.nas.mvt.observations import Observations
from mvt_nas.nas.mvt.pareto_search import ParetoSet, best_front, crowding, nondominated_mask
from mvt_nas.nas.mvt.problem import OptimizationProblem
from mvt_nas.nas.mvt.variation import row_keys
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.space.columns import Rows

_MARGIN = 0.1
# Largest number of points that are decomposed into boxes, by number of objectives: more objectives
# give more boxes a point.
_MAX_POINTS = {2: 1000, 3: 300, 4: 70, 5: 35}
_MAX_POINTS_OF_MORE = 25


@dataclass(slots=True)
class _Level:
    """A front and its unfinished rows.

    Attributes:
        front: The front.
        keys: Keys of its rows, (n,).
        unfinished: True for rows that have not finished, (n,).
        checked: Number of finished rows that ``unfinished`` accounts for.
    """

    front: ParetoSet
    keys: NDArray[np.uint64]
    unfinished: BoolArray
    checked: int = 0

    @staticmethod
    def of(front: ParetoSet) -> _Level:
        return _Level(front, row_keys(front.rows), np.ones(len(front.rows), dtype=bool))

    def mark(self, finished: Rows) -> None:
        """Account for the finished rows; the list of them only grows."""
        new_keys = row_keys(finished[self.checked :])
        self.unfinished &= np.isin(self.keys, new_keys, invert=True)
        self.checked = len(finished)

    def available(self, excluded_keys: NDArray[np.uint64]) -> BoolArray:
        """Return True for unfinished rows whose keys are not excluded, (n,)."""
        return self.unfinished & np.isin(self.keys, excluded_keys, invert=True)


class KnownFrontSearch:
    """The front of known objectives, and the fronts behind it.

    Each front ("level") is that of the rows which had not finished when it was begun. A level can
    therefore be computed again from the number of rows that had finished then, without the levels
    before it: a run stores these numbers, and a resumed search recomputes the last level only.

    Args:
        problem: Objectives, none of which is costly.
        feasibility: Space and its known metrics.
        run_seed: Seed of the search.

    Attributes:
        begun: Number of finished rows at the begin of each level.
    """

    def __init__(
        self, problem: OptimizationProblem, feasibility: Feasibility, run_seed: int
    ) -> None:
        self._problem = problem
        self._feasibility = feasibility
        self._run_seed = run_seed
        self.begun = [0]
        self._about = ""
        self._levels: dict[int, _Level] = {}
        self._no_rows: Rows = np.zeros((0, len(feasibility.space.dimensions)), dtype=np.int32)
        # Non-dominated costs of the first trials, and the number of these trials.
        self._dominant: FloatArray = np.zeros((0, len(problem.objectives)))
        self._dominant_of = 0

    def __str__(self) -> str:
        """Return a sentence about the search that found the first front."""
        return self._about or str(self.level(0))

    def level(self, number: int, finished: Rows | None = None) -> ParetoSet:
        """Return a front that was begun; all but the first need the finished rows."""
        return self._level(number, self._no_rows if finished is None else finished).front

    def _level(self, number: int, finished: Rows) -> _Level:
        if number not in self._levels:
            # Levels that were begun at the same number of finished rows follow one another: the
            # rows of the earlier ones were planned already, though not finished.
            count = self.begun[number]
            first_with_count = self.begun.index(count)
            planned = [
                self._level(other, finished).front.rows for other in range(first_with_count, number)
            ]
            taken = np.concatenate([finished[:count], *planned])
            rng = np.random.default_rng([self._run_seed, number, 3])
            front = best_front(self._feasibility, self._costs, rng, taken)
            self._levels[number] = _Level.of(front)
            if number == 0:
                self._about = str(front)
        return self._levels[number]

    def next(self, observations: Observations, count: int) -> Rows:
        """Return the next ``count`` points, the widest first; fewer where no row is left."""
        finished = observations.taken[: observations.ended]
        # Rows that are finished behind a running trial, or running: not available, but not final.
        unsettled = [observations.taken[observations.ended :], observations.running]
        busy_keys = row_keys(np.concatenate(unsettled))
        present = np.concatenate(
            [self._dominating(observations), self._costs(observations.running)]
        )
        proposed = self._no_rows
        number = self._current(finished)
        while len(proposed) < count:
            if number == len(self.begun):
                self.begun.append(len(finished))
            level = self._level(number, finished)
            level.mark(finished)
            front = level.front
            if not len(front.rows):
                break
            available = level.available(np.concatenate([busy_keys, row_keys(proposed)]))
            for rank in np.unique(front.ranks[available]):
                if len(proposed) >= count:
                    break
                indices = np.flatnonzero(available & (front.ranks == rank))
                order = self._order(front.values[indices], present, count - len(proposed))
                chosen = indices[order]
                proposed = np.concatenate([proposed, front.rows[chosen]])
                present = np.concatenate([present, front.values[chosen]])
            number += 1
        return proposed

    def _current(self, finished: Rows) -> int:
        """Return the first level that may have rows left, and forget the levels before it.

        That is the first one begun at the largest number of finished rows: a later start means that
        all rows of the levels before were taken.
        """
        first = self.begun.index(self.begun[-1])
        if self.begun[-1] > len(finished):
            # Fewer rows have finished than before: these belong to another study.
            first = 0
            self.begun = [0]
            self._levels = {}
        self._levels = {number: level for number, level in self._levels.items() if number >= first}
        return first

    def _dominating(self, observations: Observations) -> FloatArray:
        """Return the non-dominated costs of the finished trials, sorted.

        The front of the settled trials is kept from call to call. Sorting makes the result
        independent of the calls before.
        """
        costs = observations.costs
        settled = observations.settled
        if settled < self._dominant_of:
            self._dominant = costs[:0]
            self._dominant_of = 0
        kept = self._dominant.reshape(-1, costs.shape[1])
        self._dominant = _sorted_front(np.concatenate([kept, costs[self._dominant_of : settled]]))
        self._dominant_of = settled
        return _sorted_front(np.concatenate([self._dominant, costs[settled:]]))

    def _order(self, values: FloatArray, present: FloatArray, count: int) -> IndexArray:
        """Return the indices of ``count`` points of a front, the widest first.

        Each point adds the most hypervolume to those before it and to the present ones, (k,
        objectives). Points that add nothing follow, the least crowded first.
        """
        if values.shape[1] == 1:
            return np.arange(min(count, len(values)))
        low = values.min(axis=0)
        high = values.max(axis=0)
        span = np.where(high > low, high - low, 1.0)
        costs = (values - low) / span
        limit = np.full(costs.shape[1], 1.0 + _MARGIN)
        boxes = self._undominated_boxes((present - low) / span, limit)
        # The costs are known: a single sample, in which every point is allowed.
        samples = PosteriorSamples(costs[None], np.ones((1, len(costs)), dtype=bool))
        chosen = select_batch(boxes, boxes.improvements(costs), samples, count)
        rest = np.setdiff1d(np.arange(len(costs)), chosen)
        if len(rest):
            rest = rest[np.argsort(-crowding(costs[rest]), kind="stable")]
        return np.array([*chosen, *rest.tolist()][:count], dtype=np.intp)

    def _undominated_boxes(self, present: FloatArray, limit: FloatArray) -> BoxDecomposition:
        """Return the region below ``limit`` that the present points leave undominated."""
        present = present[(present < limit).all(axis=1)]
        present = present[nondominated_mask(present)]
        most = _MAX_POINTS.get(present.shape[1], _MAX_POINTS_OF_MORE)
        if len(present) > most:
            least_crowded = np.argsort(-crowding(present), kind="stable")[:most]
            present = present[np.sort(least_crowded)]
        return decompose_undominated(present, limit, np.random.default_rng(0))

    def _costs(self, rows: Rows) -> FloatArray:
        return self._problem.known_costs(self._feasibility, rows)


def _sorted_front(costs: FloatArray) -> FloatArray:
    """Return the non-dominated costs in lexicographic order."""
    best = costs[nondominated_mask(costs)]
    # lexsort() takes its last key as the first criterion.
    return best[np.lexsort(best.T[::-1])]
