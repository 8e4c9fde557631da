"""Where every objective is known, the front is found before anything is proposed; trials then take its points, the widest first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mvt_nas.engine.feasible import Feasibility
from mvt_nas.engine.proposing.batches import Drawn, choose
from mvt_nas.engine.proposing.boxes import undominated
from mvt_nas.engine.proposing.breeding import keys, without
from mvt_nas.engine.proposing.front import Front, best_front, crowding, nondominated
from mvt_nas.engine.proposing.goals import Goals
from mvt_nas.engine.proposing.history import History
from mvt_nas.space.columns import Rows

Array = NDArray[np.float64]

_MARGIN = 0.1
_MOST = {2: 1000, 3: 300, 4: 70, 5: 35}  # points whose boxes are few enough, by number of objectives


class KnownFront:
    """The front of known objectives, and the fronts behind it.

    Args:
        goals: none of which is costly.
        feasibility: the space.
        run_seed: of the search.
    """

    def __init__(self, goals: Goals, feasibility: Feasibility, run_seed: int) -> None:
        self._goals, self._feasibility, self._run_seed = goals, feasibility, run_seed
        self._levels: list[Front] = []
        self._first = 0
        self._looked_at, self._dominant = 0, np.zeros((0, len(goals.objectives)))

    def __str__(self) -> str:
        """Return in one sentence how the front was found."""
        return str(self.level(0))

    def level(self, number: int) -> Front:
        """Return the front of what is left without the rows of those before it."""
        while len(self._levels) <= number:
            before = [front.rows for front in self._levels]
            taken = np.concatenate(before) if before else np.zeros((0, len(self._feasibility.space.dimensions)), dtype=np.int32)
            rng = np.random.default_rng([self._run_seed, len(self._levels), 3])
            self._levels.append(best_front(self._feasibility, self._costs, rng, taken))
        return self._levels[number]

    def next(self, seen: History, count: int) -> Rows:
        """Return the next ``count`` points, the widest first; fewer where nothing is left."""
        busy = np.concatenate([seen.taken, seen.running])
        there = np.concatenate([self._dominating(seen), self._costs(seen.running)])
        found, number = busy[:0], self._begin(seen)
        while len(found) < count:
            front = self.level(number)
            if not len(front.rows):
                break
            left = np.isin(keys(front.rows), keys(busy), invert=True)
            for rank in np.unique(front.ranks[left]):
                places = np.flatnonzero(left & (front.ranks == rank))
                if len(found) < count:
                    chosen = places[self._ordered(front.values[places], there, count - len(found))]
                    found = np.concatenate([found, front.rows[chosen]])
                    there = np.concatenate([there, front.values[chosen]])
            number += 1
        return found

    def _begin(self, seen: History) -> int:
        """Return the first level of which anything may be left, and remember it: what has finished stays so."""
        while self._first < len(self._levels) and not len(without(self._levels[self._first].rows, seen.taken)):
            self._first += 1
        return self._first

    def _dominating(self, seen: History) -> Array:
        """Return the costs of finished trials that none dominates, in an order that does not depend on when they were looked at."""
        if seen.settled < self._looked_at:
            self._looked_at, self._dominant = 0, seen.costs[:0]
        self._dominant = _front(
            np.concatenate([self._dominant.reshape(-1, seen.costs.shape[1]), seen.costs[self._looked_at : seen.settled]])
        )
        self._looked_at = seen.settled
        return _front(np.concatenate([self._dominant, seen.costs[seen.settled :]]))

    def _ordered(self, values: Array, there: Array, count: int) -> NDArray[np.intp]:
        """Return the places of points of a front, each adding most hypervolume to those before it and to those that are there."""
        if values.shape[1] == 1:
            return np.arange(min(count, len(values)))
        low, high = values.min(axis=0), values.max(axis=0)
        span = np.where(high > low, high - low, 1.0)
        costs, there = (values - low) / span, (there - low) / span
        limit = np.full(costs.shape[1], 1.0 + _MARGIN)
        there = there[(there < limit).all(axis=1)]
        there = there[nondominated(there)]
        most = _MOST.get(costs.shape[1], 25)
        if len(there) > most:
            there = there[np.sort(np.argsort(-crowding(there), kind="stable")[:most])]
        boxes = undominated(there, limit, np.random.default_rng(0))
        drawn = Drawn(costs[None], np.ones((1, len(costs)), dtype=bool))
        chosen = choose(boxes, boxes.improvements(costs), drawn, count)
        rest = np.setdiff1d(np.arange(len(costs)), chosen)
        rest = rest[np.argsort(-crowding(costs[rest]), kind="stable")] if len(rest) else rest
        return np.array([*chosen, *rest.tolist()][:count], dtype=np.intp)

    def _costs(self, rows: Rows) -> Array:
        return self._goals.known_costs(self._feasibility, rows)


def _front(costs: Array) -> Array:
    """Return the costs that none dominates, sorted."""
    best = costs[nondominated(costs)]
    return best[np.lexsort(best.T[::-1])]
