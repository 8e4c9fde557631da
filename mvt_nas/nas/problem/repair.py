"""Repair of a sampler's proposals: each becomes a feasible, new row near the proposed one.

Budgets are met before a trial exists. A proposal that breaks one, or that has been evaluated, is
replaced by the nearest row that is feasible and new, among mutations of growing size; then in a
small space among all rows, so that none is missed; in a large one among samples, mutations of the
candidates, and the ends of descents. Replacements are counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.space.columns import Rows

_MUTANTS = (32, 256)
_DRAWS = (256, 16_384)


class SpaceExhausted(Exception):
    """No feasible architecture is left to evaluate, or none that the search for one found."""


@dataclass(slots=True)
class RepairStats:
    """Counts of the proposals that were replaced.

    Attributes:
        infeasible: Proposals that broke a rule or a budget.
        duplicates: Proposals that had been evaluated.
    """

    infeasible: int = 0
    duplicates: int = 0


class Repair:
    """Replaces proposals, and remembers which rows are taken.

    Args:
        feasibility: The budgets and the space.

    Attributes:
        replaced: Counts of the replaced proposals.
    """

    def __init__(self, feasibility: Feasibility) -> None:
        self._feasibility = feasibility
        self._space = feasibility.space
        self._sizes = np.array([len(dimension.values) for dimension in self._space.dimensions])
        # An ordered set. Bytes and not the rows themselves: those are views that would keep the
        # whole pools alive from which they were chosen.
        self._taken: dict[bytes, None] = {}
        self._remaining: _RemainingRows | None = None
        self.replaced = RepairStats()

    def take(self, row: Rows) -> None:
        """Mark a canonical row as a candidate."""
        key = _key(row)
        self._taken[key] = None
        if self._remaining is not None:
            self._remaining.take(key)

    def is_taken(self, row: Rows) -> bool:
        """Return True if a canonical row is a candidate already."""
        return _key(row) in self._taken

    def __call__(self, proposal: Rows, rng: np.random.Generator) -> Rows:
        """Return the canonical row that replaces a proposed one, and mark it as taken.

        Raises:
            SpaceExhausted: Nothing feasible and new was found.
        """
        row: Rows = self._space.canonical(proposal[None])[0]
        if not self._feasibility.mask(row[None])[0]:
            self.replaced.infeasible += 1
            row = self._nearest_of_pools(row, rng)
        elif self.is_taken(row):
            self.replaced.duplicates += 1
            row = self._nearest_of_pools(row, rng)
        self.take(row)
        return row

    def _nearest_of_pools(self, row: Rows, rng: np.random.Generator) -> Rows:
        for rows in self._pools(row, rng):
            chosen = self._nearest(row, rows[self._feasibility.mask(rows)])
            if chosen is not None:
                return chosen
        raise SpaceExhausted

    def _nearest(self, row: Rows, feasible: Rows) -> Rows | None:
        """Return the row that is not taken and differs from ``row`` in the fewest codes."""
        distances = (feasible != row).sum(axis=1)
        for index in np.argsort(distances, kind="stable"):
            if not self.is_taken(feasible[index]):
                nearest: Rows = feasible[index]
                return nearest
        return None

    def _pools(self, row: Rows, rng: np.random.Generator) -> Iterable[Rows]:
        """Yield ever larger pools of canonical rows to choose from."""
        for mutants in _MUTANTS:
            yield self._space.canonical(self._mutants(np.repeat(row[None], mutants, axis=0), rng))
        everything = self._feasibility.enumerate()
        if everything is not None:
            yield self._remaining_of(everything)
            return
        for draws in _DRAWS:
            yield self._space.counter.sample(draws, rng)
        if self._taken:
            taken = np.frombuffer(b"".join(self._taken), dtype=np.int32)
            taken = taken.reshape(len(self._taken), -1)
            parents = taken[rng.integers(len(taken), size=_DRAWS[-1])]
            yield self._space.canonical(self._mutants(parents, rng))
        yield self._feasibility.descend(rng)

    def _remaining_of(self, everything: Rows) -> Rows:
        """Return the rows that are not taken among all feasible rows of a small space."""
        if self._remaining is None:
            self._remaining = _RemainingRows(everything)
            for key in self._taken:
                self._remaining.take(key)
        return self._remaining.rows()

    def _mutants(self, rows: Rows, rng: np.random.Generator) -> Rows:
        """Return the rows with one and then ever more codes sampled again, not made canonical."""
        n, dimensions = rows.shape
        if not dimensions:
            return rows.astype(np.int32)
        # On average the first row changes one code, the last one a quarter of all.
        share = np.linspace(1.0, max(1.0, dimensions / 4), n, dtype=np.float32) / dimensions
        changed = rng.random((n, dimensions), dtype=np.float32) < share[:, None]
        # Each row changes at least one.
        changed[np.arange(n), rng.integers(dimensions, size=n)] = True
        codes = rng.integers(self._sizes, size=(n, dimensions), dtype=np.int32)
        return np.where(changed, codes, rows)


class _RemainingRows:
    """The rows of a small space that are not taken.

    Args:
        rows: All feasible rows of the space, (n, dimensions).
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._positions = {_key(row): position for position, row in enumerate(rows)}
        self._free = np.ones(len(rows), dtype=bool)

    def take(self, key: bytes) -> None:
        if key in self._positions:
            self._free[self._positions[key]] = False

    def rows(self) -> Rows:
        return self._rows[self._free]


def _key(row: Rows) -> bytes:
    return np.ascontiguousarray(row, dtype=np.int32).tobytes()
