"""Turning a sampler's proposal into a candidate: feasible, new, and as near to the proposal as can be found.

Budgets are met before a trial exists: a proposal that breaks one, or that has been evaluated, is
replaced by the nearest row that does not, among mutations of growing size; of a small space then
among all rows, so that none is forgotten; of a large one among draws, mutations of the candidates,
and the ends of descents. What was replaced is counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.space.columns import Rows

_MUTANTS = (32, 256)
_DRAWS = (256, 16_384)


class SpaceExhausted(Exception):
    """No feasible architecture is left that has not been evaluated (or none that any search here could find)."""


@dataclass(slots=True)
class RepairStats:
    """How many proposals could not be taken as they were."""

    infeasible: int = 0
    duplicates: int = 0


class Repair:
    """Replaces proposals; remembers which rows are taken.

    Args:
        feasibility: the budgets and the space.
    """

    def __init__(self, feasibility: Feasibility) -> None:
        self._feasibility = feasibility
        self._space = feasibility.space
        self._sizes = np.array([len(dimension.values) for dimension in self._space.dimensions])
        self._taken: dict[
            bytes, None
        ] = {}  # in order; not the rows, which are parts of whole pools
        self._listing: _Listing | None = None
        self.replaced = RepairStats()

    def take(self, row: Rows) -> None:
        """Mark a canonical row as a candidate."""
        key = _key(row)
        self._taken[key] = None
        if self._listing is not None:
            self._listing.take(key)

    def is_taken(self, row: Rows) -> bool:
        """Return whether a canonical row is a candidate already."""
        return _key(row) in self._taken

    def __call__(self, proposal: Rows, rng: np.random.Generator) -> Rows:
        """Return the canonical row that takes the place of a proposed one, and mark it as taken.

        Raises:
            Exhausted: nothing feasible and new was found.
        """
        row: Rows = self._space.canonical(proposal[None])[0]
        if not self._feasibility.mask(row[None])[0]:
            self.replaced.infeasible += 1
            row = self._among_pools(row, rng)
        elif self.is_taken(row):
            self.replaced.duplicates += 1
            row = self._among_pools(row, rng)
        self.take(row)
        return row

    def _among_pools(self, row: Rows, rng: np.random.Generator) -> Rows:
        for rows in self._pools(row, rng):
            chosen = self._nearest(row, rows[self._feasibility.mask(rows)])
            if chosen is not None:
                return chosen
        raise SpaceExhausted

    def _nearest(self, row: Rows, feasible: Rows) -> Rows | None:
        """Return the row that is not taken and differs from ``row`` in the fewest codes."""
        for index in np.argsort((feasible != row).sum(axis=1), kind="stable"):
            if not self.is_taken(feasible[index]):
                nearest: Rows = feasible[index]
                return nearest
        return None

    def _pools(self, row: Rows, rng: np.random.Generator) -> Iterable[Rows]:
        """Yield canonical rows to choose from, wider and wider."""
        for mutants in _MUTANTS:
            yield self._space.canonical(self._mutants(np.repeat(row[None], mutants, axis=0), rng))
        if self._feasibility.listed() is not None:
            yield self._left()
            return
        for draws in _DRAWS:
            yield self._space.counter.sample(draws, rng)
        if self._taken:
            taken = np.frombuffer(b"".join(self._taken), dtype=np.int32).reshape(
                len(self._taken), -1
            )
            parents = taken[rng.integers(len(taken), size=_DRAWS[-1])]
            yield self._space.canonical(self._mutants(parents, rng))
        yield self._feasibility.reach(rng)

    def _left(self) -> Rows:
        """Return the feasible rows of a small space that are not taken."""
        if self._listing is None:
            listed = self._feasibility.listed()
            assert listed is not None
            self._listing = _Listing(listed)
            for key in self._taken:
                self._listing.take(key)
        return self._listing.left()

    def _mutants(self, rows: Rows, rng: np.random.Generator) -> NDArray[np.int32]:
        """Return the rows with one and then ever more codes drawn anew, not made canonical."""
        n, dimensions = rows.shape
        if not dimensions:
            return rows.astype(np.int32)
        share = np.linspace(1.0, max(1.0, dimensions / 4), n, dtype=np.float32) / dimensions
        changed = rng.random((n, dimensions), dtype=np.float32) < share[:, None]
        changed[np.arange(n), rng.integers(dimensions, size=n)] = True
        return np.where(
            changed, rng.integers(self._sizes, size=(n, dimensions), dtype=np.int32), rows
        )


class _Listing:
    """All feasible rows of a small space, and which of them are left."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._places = {_key(row): place for place, row in enumerate(rows)}
        self._free = np.ones(len(rows), dtype=bool)

    def take(self, key: bytes) -> None:
        if key in self._places:
            self._free[self._places[key]] = False

    def left(self) -> Rows:
        return self._rows[self._free]


def _key(row: Rows) -> bytes:
    return np.ascontiguousarray(row, dtype=np.int32).tobytes()
