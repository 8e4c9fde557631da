"""Search for the Pareto front of known objectives.

The front is exact where the space can be enumerated. Else it comes from an evolutionary search,
followed by a local search. Known metrics of a row cost microseconds, so a search may compare half a
million rows before it proposes one.

Source: the second stage is Pareto local search (Paquete, Chiarandini and Stützle, 2004): every row
of the front is a start until all of its neighbours, one choice away, have been compared, or until
the number of comparisons reaches a limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import BoolArray, FloatArray, IndexArray
from mvt_nas.nas.mvt.variation import Variation, exclude_rows, not_yet_seen, row_keys, unique_rows
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.space.columns import Rows

LISTED = 500_000
"""Largest size of a space that is enumerated; ``Feasibility`` keeps the rows of smaller ones."""

GENERATIONS = 40
# Generations of the search for the front behind a known one, which starts near that front.
_FURTHER_GENERATIONS = 8
# Children per generation.
_BRED = 8192
# Least number of rows that are kept: of an enumerated front, and in the archive of a search.
_LISTED_KEPT = 64
_LEAST_KEPT, _KEPT = 512, 4096
# Largest number of rows that are ranked at once; of more, fronts are peeled off one by one.
_RANKED = 20_000
# Rows per step of the local search, and about how many rows all steps may compare.
_STARTS = 250
_NEIGHBOURS = 300_000


@dataclass(frozen=True, slots=True)
class ParetoSet:
    """Non-dominated rows as far as searched; where they are few, also the rows behind them.

    Attributes:
        rows: Rows, those of the front first, (n, dimensions).
        values: Their costs (less is better), (n, objectives).
        ranks: Non-domination ranks, (n,): 0 on the front, 1 on the front of the rest, and so on.
        exact: True if all feasible rows were compared.
        looked_at: Number of compared rows.
    """

    rows: Rows
    values: FloatArray
    ranks: IndexArray
    exact: bool
    looked_at: int

    def __str__(self) -> str:
        """Return a sentence about the search that found the front."""
        if self.values.shape[1] > 1:
            what = f"front of {np.sum(self.ranks == 0)} points"
        else:
            what = "best architecture"
        if self.exact:
            return f"{what}, exact: all {self.looked_at} feasible architectures were compared"
        return f"{what}, found by evolution through the tables over {self.looked_at} architectures"


Values = Callable[[Rows], FloatArray]
"""Costs of rows: ``(n, dimensions) -> (n, objectives)``, less is better."""


def best_front(
    feasibility: Feasibility, values: Values, rng: np.random.Generator, taken: Rows | None = None
) -> ParetoSet:
    """Return the front of the feasible rows without those taken."""
    if taken is None:
        taken = np.zeros((0, len(feasibility.space.dimensions)), dtype=np.int32)
    rows = enumerated_front(feasibility)
    if rows is None:
        return evolved_front(feasibility, values, rng, taken)
    rows = exclude_rows(rows, taken)
    costs = values(rows)
    best, ranks = rank_rows(costs, _LISTED_KEPT)
    return ParetoSet(rows[best], costs[best], ranks, exact=True, looked_at=len(rows))


def enumerated_front(feasibility: Feasibility) -> Rows | None:
    """Return all feasible rows, or None if the space is too large to enumerate."""
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
    """Return the best front that evolution and local search find, without the rows taken."""
    variation = Variation(feasibility.space)
    taken_keys = np.sort(row_keys(taken))
    sampled = unique_rows(feasibility.sample(_BRED, int(rng.integers(2**32))))
    sampled = not_yet_seen(sampled, taken_keys)
    archive = _Archive(sampled, values(sampled))
    if len(taken):
        # The front behind a known one is near it: begin at the neighbours of its last rows.
        neighbours = variation.neighbours(taken[-_STARTS:])
        archive.add(_new_rows(feasibility, neighbours, taken_keys), values)
    for _ in range(_FURTHER_GENERATIONS if len(taken) else GENERATIONS):
        immigrants = feasibility.draw(_BRED // 8, rng)
        children = variation.children(archive.rows, _BRED, rng)
        archive.add(_new_rows(feasibility, children, taken_keys), values)
        archive.add(not_yet_seen(unique_rows(immigrants), taken_keys), values)
    limit = archive.looked_at + _NEIGHBOURS
    while archive.looked_at < limit:
        starts = archive.unexpanded(_STARTS)
        if not len(starts):
            break
        archive.add(_new_rows(feasibility, variation.neighbours(starts), taken_keys), values)
    return ParetoSet(
        archive.rows, archive.values, archive.ranks, exact=False, looked_at=archive.looked_at
    )


def _new_rows(feasibility: Feasibility, rows: Rows, taken_keys: NDArray[np.uint64]) -> Rows:
    """Return the distinct feasible rows that are not taken."""
    rows = not_yet_seen(unique_rows(rows), taken_keys)
    return rows[feasibility.mask(rows)]


class _Archive:
    """Non-dominated rows of a search, and those behind them where they are few.

    Of very many rows the least crowded are kept.
    """

    def __init__(self, rows: Rows, values: FloatArray) -> None:
        self.rows = rows
        self.values = values
        self.looked_at = len(rows)
        self.ranks: IndexArray = np.zeros(0, dtype=np.intp)
        self._expanded: set[int] = set()
        self._truncate()

    def add(self, rows: Rows, values: Values) -> None:
        """Compare further rows with the archive."""
        rows = exclude_rows(rows, self.rows)
        if len(rows):
            self.looked_at += len(rows)
            self.rows = np.concatenate([self.rows, rows])
            self.values = np.concatenate([self.values, values(rows)])
            self._truncate()

    def unexpanded(self, most: int) -> Rows:
        """Return up to ``most`` rows without compared neighbours, evenly spread, and mark them."""
        keys = row_keys(self.rows).tolist()
        indices = [index for index, key in enumerate(keys) if key not in self._expanded]
        if len(indices) > most:
            spread = np.linspace(0, len(indices) - 1, most).astype(int)
            indices = [indices[number] for number in spread]
        self._expanded.update(keys[index] for index in indices)
        return self.rows[indices]

    def _truncate(self) -> None:
        best, self.ranks = rank_rows(self.values, _LEAST_KEPT)
        if len(best) > _KEPT:
            # By rank, within a rank the least crowded first.
            order = np.lexsort((-crowding(self.values[best]), self.ranks))
            kept = np.sort(order[:_KEPT])
            best = best[kept]
            self.ranks = self.ranks[kept]
        self.rows = self.rows[best]
        self.values = self.values[best]


def rank_rows(values: FloatArray, least: int) -> tuple[IndexArray, IndexArray]:
    """Return the indices of the best rows and their ranks, both by rank.

    Args:
        values: Costs of the rows, (n, objectives).
        least: Whole fronts are added, beginning with the first, until they have this many rows.
    """
    if _RANKED >= len(values) > 0 and values.shape[1] > 1:
        all_ranks = np.asarray(moocore.pareto_rank(values), dtype=np.intp)
        # The rank at which the fronts reach ``least`` rows.
        last_rank = int(np.sort(all_ranks)[min(least, len(all_ranks)) - 1])
        order = np.argsort(all_ranks, kind="stable")
        order = order[all_ranks[order] <= last_rank]
        return order, all_ranks[order]
    fronts: list[IndexArray] = []
    rest = np.arange(len(values))
    while len(rest) and sum(len(front) for front in fronts) < least:
        best = nondominated_mask(values[rest])
        fronts.append(rest[best])
        rest = rest[~best]
    ranks = np.repeat(np.arange(len(fronts)), [len(front) for front in fronts])
    # rest[:0] gives the result its type where there are no fronts.
    return np.concatenate([rest[:0], *fronts]), ranks


def nondominated_mask(values: FloatArray) -> BoolArray:
    """Return True for the non-dominated rows, (n,); for all of several equal ones."""
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
        # The gap of a point reaches from its predecessor to its successor in this column.
        gaps[1:-1] = (sorted_column[2:] - sorted_column[:-2]) / span
        total[order] += gaps
    return total
