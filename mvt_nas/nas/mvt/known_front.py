"""Where every objective is known, the front is found before anything is proposed; trials then take its points, the widest first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import FloatArray
from mvt_nas.nas.mvt.batch_selection import PosteriorSamples, select_batch
from mvt_nas.nas.mvt.box_decomposition import decompose_undominated
from mvt_nas.nas.mvt.observations import Observations
from mvt_nas.nas.mvt.pareto_search import ParetoSet, best_front, crowding, nondominated_mask
from mvt_nas.nas.mvt.problem import OptimizationProblem
from mvt_nas.nas.mvt.variation import row_keys
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.space.columns import Rows

_MARGIN = 0.1
_MOST = {
    2: 1000,
    3: 300,
    4: 70,
    5: 35,
}  # points whose boxes are few enough, by number of objectives


@dataclass(slots=True)
class _Level:
    """A front, and which of its rows have not finished.

    Attributes:
        front: itself.
        names: the keys of its rows.
        left: which of them have not finished, as far as was looked.
        looked: how many finished rows were looked at.
    """

    front: ParetoSet
    names: NDArray[np.uint64]
    left: NDArray[np.bool_]
    looked: int = 0

    @staticmethod
    def of(front: ParetoSet) -> _Level:
        return _Level(front, row_keys(front.rows), np.ones(len(front.rows), dtype=bool))

    def mark(self, finished: Rows) -> None:
        """Take note of the finished rows, of which there are ever more."""
        self.left &= np.isin(self.names, row_keys(finished[self.looked :]), invert=True)
        self.looked = len(finished)


class KnownFrontSearch:
    """The front of known objectives, and the fronts behind it.

    A front is that of what had not finished when it was begun. So whoever knows how many rows had
    can make it anew, without those before.

    Args:
        goals: none of which is costly.
        feasibility: the space.
        run_seed: of the search.

    Attributes:
        begun: of each front, how many rows had finished when it was begun.
    """

    def __init__(self, goals: OptimizationProblem, feasibility: Feasibility, run_seed: int) -> None:
        self._goals, self._feasibility, self._run_seed = goals, feasibility, run_seed
        self.begun = [0]
        self._about = ""
        self._levels: dict[int, _Level] = {}
        self._nothing: Rows = np.zeros((0, len(feasibility.space.dimensions)), dtype=np.int32)
        self._looked_at, self._dominant = 0, np.zeros((0, len(goals.objectives)))

    def __str__(self) -> str:
        """Return in one sentence how the first front was found."""
        return self._about or str(self.level(0))

    def level(self, number: int, finished: Rows | None = None) -> ParetoSet:
        """Return a front that was begun; all but the first need the finished rows."""
        return self._level(number, self._nothing if finished is None else finished).front

    def _level(self, number: int, finished: Rows) -> _Level:
        if number not in self._levels:
            count = self.begun[number]
            with_it = [
                self._level(other, finished).front.rows
                for other in range(self.begun.index(count), number)
            ]
            taken = np.concatenate([finished[:count], *with_it])
            rng = np.random.default_rng([self._run_seed, number, 3])
            front = best_front(self._feasibility, self._costs, rng, taken)
            self._levels[number], self._about = (
                _Level.of(front),
                self._about if number else str(front),
            )
        return self._levels[number]

    def next(self, seen: Observations, count: int) -> Rows:
        """Return the next ``count`` points, the widest first; fewer where nothing is left."""
        finished, busy = (
            seen.taken[: seen.ended],
            row_keys(np.concatenate([seen.taken[seen.ended :], seen.running])),
        )
        there = np.concatenate([self._dominating(seen), self._costs(seen.running)])
        found, number = self._nothing, self._current(finished)
        while len(found) < count:
            if number == len(self.begun):
                self.begun.append(len(finished))
            level = self._level(number, finished)
            level.mark(finished)
            if not len(level.front.rows):
                break
            front, left = (
                level.front,
                level.left
                & np.isin(level.names, np.concatenate([busy, row_keys(found)]), invert=True),
            )
            for rank in np.unique(front.ranks[left]):
                places = np.flatnonzero(left & (front.ranks == rank))
                if len(found) < count:
                    chosen = places[self._ordered(front.values[places], there, count - len(found))]
                    found = np.concatenate([found, front.rows[chosen]])
                    there = np.concatenate([there, front.values[chosen]])
            number += 1
        return found

    def _current(self, finished: Rows) -> int:
        """Return the first front of which anything may be left, and forget those before it, which later ones do without."""
        first = self.begun.index(self.begun[-1])
        if self.begun[-1] > len(finished):  # another study
            first, self.begun, self._levels = 0, [0], {}
        self._levels = {number: level for number, level in self._levels.items() if number >= first}
        return first

    def _dominating(self, seen: Observations) -> FloatArray:
        """Return the costs of finished trials that none dominates, in an order that does not depend on when they were looked at."""
        if seen.settled < self._looked_at:
            self._looked_at, self._dominant = 0, seen.costs[:0]
        self._dominant = _front(
            np.concatenate(
                [
                    self._dominant.reshape(-1, seen.costs.shape[1]),
                    seen.costs[self._looked_at : seen.settled],
                ]
            )
        )
        self._looked_at = seen.settled
        return _front(np.concatenate([self._dominant, seen.costs[seen.settled :]]))

    def _ordered(self, values: FloatArray, there: FloatArray, count: int) -> NDArray[np.intp]:
        """Return the places of points of a front, each adding most hypervolume to those before it and to those that are there."""
        if values.shape[1] == 1:
            return np.arange(min(count, len(values)))
        low, high = values.min(axis=0), values.max(axis=0)
        span = np.where(high > low, high - low, 1.0)
        costs, there = (values - low) / span, (there - low) / span
        limit = np.full(costs.shape[1], 1.0 + _MARGIN)
        there = there[(there < limit).all(axis=1)]
        there = there[nondominated_mask(there)]
        most = _MOST.get(costs.shape[1], 25)
        if len(there) > most:
            there = there[np.sort(np.argsort(-crowding(there), kind="stable")[:most])]
        boxes = decompose_undominated(there, limit, np.random.default_rng(0))
        drawn = PosteriorSamples(costs[None], np.ones((1, len(costs)), dtype=bool))
        chosen = select_batch(boxes, boxes.improvements(costs), drawn, count)
        rest = np.setdiff1d(np.arange(len(costs)), chosen)
        rest = rest[np.argsort(-crowding(costs[rest]), kind="stable")] if len(rest) else rest
        return np.array([*chosen, *rest.tolist()][:count], dtype=np.intp)

    def _costs(self, rows: Rows) -> FloatArray:
        return self._goals.known_costs(self._feasibility, rows)


def _front(costs: FloatArray) -> FloatArray:
    """Return the costs that none dominates, sorted."""
    best = costs[nondominated_mask(costs)]
    return best[np.lexsort(best.T[::-1])]
