"""The front of values that a table gives: exact where the space can be listed, else by evolution and then from neighbour to neighbour.

Whatever is known of a whole space costs microseconds a row, so a search may look at half a million
rows before it proposes one.

Source: the second stage is Pareto local search (Paquete, Chiarandini and Stützle, 2004): every row
of the front is a start until all rows one choice away have been looked at, or so many that a search
would have to wait.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import FloatArray
from mvt_nas.nas.mvt.variation import Variation, exclude_rows, not_yet_seen, row_keys, unique_rows
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.space.columns import Rows

LISTED = 500_000
"""Spaces of at most this size are listed; ``Feasibility`` lists what is smaller than its own
bound."""

GENERATIONS = 40
_FURTHER_GENERATIONS = 8  # for the front behind one that is known
_BRED = 8192
_LISTED_KEPT = 64
_LEAST_KEPT, _KEPT = 512, 4096
_RANKED = 20_000  # rows that are all ranked at once; of more, front after front is taken off
_STARTS = 250
_NEIGHBOURS = 300_000  # rows that are looked at in the second stage, or a few more


@dataclass(frozen=True, slots=True)
class ParetoSet:
    """Rows that nothing dominates, as far as it was looked, and behind them those that only they dominate, where they are few.

    Attributes:
        rows: (n, dimensions), those of the front first.
        values: (n, objectives), less is better.
        ranks: (n,): 0 on the front, 1 on the front of what is left without it, and so on.
        exact: whether all feasible rows were looked at.
        looked_at: how many rows were.
    """

    rows: Rows
    values: FloatArray
    ranks: NDArray[np.intp]
    exact: bool
    looked_at: int

    def __str__(self) -> str:
        """Return in one sentence how it was found."""
        what = (
            f"front of {np.sum(self.ranks == 0)} points"
            if self.values.shape[1] > 1
            else "best architecture"
        )
        if self.exact:
            return f"{what}, exact: all {self.looked_at} feasible architectures were compared"
        return f"{what}, found by evolution through the tables over {self.looked_at} architectures"


Values = Callable[[Rows], FloatArray]
"""``rows (n, dimensions) -> (n, objectives)``, less is better."""


def best_front(
    feasibility: Feasibility, values: Values, rng: np.random.Generator, taken: Rows | None = None
) -> ParetoSet:
    """Return the front of the feasible rows that are not taken."""
    taken = (
        taken
        if taken is not None
        else np.zeros((0, len(feasibility.space.dimensions)), dtype=np.int32)
    )
    rows = enumerated_front(feasibility)
    if rows is not None:
        rows = exclude_rows(rows, taken)
        found = values(rows)
        best, ranks = rank_rows(found, _LISTED_KEPT)
        return ParetoSet(rows[best], found[best], ranks, True, len(rows))
    return evolved_front(feasibility, values, rng, taken)


def enumerated_front(feasibility: Feasibility) -> Rows | None:
    """Return all feasible rows, ``None`` where there are too many to list."""
    if feasibility.space.size > LISTED:
        return None
    rows = feasibility.enumerate()
    if rows is None:
        rows = feasibility.space.enumerate(LISTED)
        rows = rows[feasibility.mask(rows)]
    return rows


def evolved_front(
    feasibility: Feasibility, values: Values, rng: np.random.Generator, taken: Rows
) -> ParetoSet:
    """Return the best front that evolution and the look at all neighbours find."""
    breeder, gone = Variation(feasibility.space), np.sort(row_keys(taken))
    drawn = not_yet_seen(unique_rows(feasibility.sample(_BRED, int(rng.integers(2**32)))), gone)
    front = _Archive(drawn, values(drawn))
    if len(taken):
        front.add(_new(feasibility, breeder.neighbours(taken[-_STARTS:]), gone), values)
    for _ in range(_FURTHER_GENERATIONS if len(taken) else GENERATIONS):
        fresh = feasibility.draw(_BRED // 8, rng)
        front.add(_new(feasibility, breeder.children(front.rows, _BRED, rng), gone), values)
        front.add(not_yet_seen(unique_rows(fresh), gone), values)
    bred = front.looked_at
    while front.looked_at < bred + _NEIGHBOURS and len(starts := front.unexpanded(_STARTS)):
        front.add(_new(feasibility, breeder.neighbours(starts), gone), values)
    return ParetoSet(front.rows, front.values, front.ranks, False, front.looked_at)


def _new(feasibility: Feasibility, rows: Rows, gone: NDArray[np.uint64]) -> Rows:
    rows = not_yet_seen(unique_rows(rows), gone)
    return rows[feasibility.mask(rows)]


class _Archive:
    """The rows that nothing seen dominates, and where they are few those behind them; of very many, the least crowded."""

    def __init__(self, rows: Rows, values: FloatArray) -> None:
        self.rows, self.values, self.looked_at = rows, values, len(rows)
        self.ranks: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        self._expanded: set[int] = set()
        self._keep()

    def add(self, rows: Rows, values: Values) -> None:
        rows = exclude_rows(rows, self.rows)
        if len(rows):
            self.looked_at += len(rows)
            self.rows = np.concatenate([self.rows, rows])
            self.values = np.concatenate([self.values, values(rows)])
            self._keep()

    def unexpanded(self, most: int) -> Rows:
        """Return some rows whose neighbours have not been asked for, evenly from among them all."""
        names = row_keys(self.rows).tolist()
        places = [place for place, name in enumerate(names) if name not in self._expanded]
        if len(places) > most:
            places = [
                places[number] for number in np.linspace(0, len(places) - 1, most).astype(int)
            ]
        self._expanded.update(names[place] for place in places)
        return self.rows[places]

    def _keep(self) -> None:
        best, self.ranks = rank_rows(self.values, _LEAST_KEPT)
        if len(best) > _KEPT:
            kept = np.sort(np.lexsort((-crowding(self.values[best]), self.ranks))[:_KEPT])
            best, self.ranks = best[kept], self.ranks[kept]
        self.rows, self.values = self.rows[best], self.values[best]


def rank_rows(values: FloatArray, least: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the places of the best rows by rank, and their ranks: the front, and the ranks behind it until there are so many."""
    if _RANKED >= len(values) > 0 and values.shape[1] > 1:
        every = np.asarray(moocore.pareto_rank(values), dtype=np.intp)
        last = int(np.sort(every)[min(least, len(every)) - 1])
        order = np.argsort(every, kind="stable")
        order = order[every[order] <= last]
        return order, every[order]
    fronts: list[NDArray[np.intp]] = []
    behind = np.arange(len(values))
    while len(behind) and sum(len(front) for front in fronts) < least:
        best = nondominated_mask(values[behind])
        fronts.append(behind[best])
        behind = behind[~best]
    ranks = np.repeat(np.arange(len(fronts)), [len(front) for front in fronts])
    return np.concatenate([behind[:0], *fronts]), ranks


def nondominated_mask(values: FloatArray) -> NDArray[np.bool_]:
    """Return which rows nothing dominates, (n,); of equal rows all."""
    if not len(values):
        return np.zeros(0, dtype=bool)
    if values.shape[1] == 1:
        return np.asarray(values[:, 0] == values[:, 0].min())
    return np.asarray(moocore.is_nondominated(values, keep_weakly=True), dtype=bool)


def crowding(values: FloatArray) -> FloatArray:
    """Return the crowding distance of each row, (n,); infinite at the ends.

    Source: Deb et al., "NSGA-II" (2002), section III-B.
    """
    total = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        sorted_column = column[order]
        span = max(float(sorted_column[-1] - sorted_column[0]), 1e-300)
        gaps = np.full(len(values), np.inf)
        gaps[1:-1] = (sorted_column[2:] - sorted_column[:-2]) / span
        total[order] += gaps
    return total
