"""Turning a sampler's proposal into a candidate: feasible, new, and as near to the proposal as can be found.

Budgets are met before a trial exists: a proposal that breaks one, or that has been evaluated, is replaced by the nearest row that
does not, among mutations of growing size and then draws from the feasible rows. What was replaced is counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvt_nas.engine.feasible import Feasibility
from mvt_nas.space.columns import Rows

_MUTANTS = 256
_DRAWS = 4096
_PARENTS = 64


class Exhausted(Exception):
    """No feasible architecture is left that has not been evaluated (or none that any search here could find)."""


@dataclass(slots=True)
class Replaced:
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
        self._taken: dict[bytes, Rows] = {}
        self.replaced = Replaced()

    def take(self, row: Rows) -> None:
        """Mark a canonical row as a candidate."""
        self._taken[_key(row)] = row

    def is_taken(self, row: Rows) -> bool:
        """Return whether a canonical row is a candidate already."""
        return _key(row) in self._taken

    def __call__(self, proposal: Rows, rng: np.random.Generator) -> Rows:
        """Return the canonical row that takes the place of a proposed one, and mark it as taken.

        Raises:
            Exhausted: nothing feasible and new was found.
        """
        row: Rows = self._space.canonical(proposal[None])[0].astype(np.int32)
        if not self._feasibility.mask(row[None])[0]:
            self.replaced.infeasible += 1
            row = self._nearest(row, rng)
        elif self.is_taken(row):
            self.replaced.duplicates += 1
            row = self._nearest(row, rng)
        self.take(row)
        return row

    def _nearest(self, row: Rows, rng: np.random.Generator) -> Rows:
        for rows in self._pools(row, rng):
            free = self._free(rows)
            if len(free):
                nearest: Rows = free[int((free != row).sum(axis=1).argmin())]
                return nearest
        raise Exhausted

    def _pools(self, row: Rows, rng: np.random.Generator) -> Iterable[Rows]:
        """Yield ever wider sets of canonical rows: mutations, feasible draws, all of a small space, neighbours of what is taken."""
        yield self._mutants(np.repeat(row[None], _MUTANTS, axis=0), rng)
        listed = self._feasibility.listed()
        if listed is not None:
            yield listed
            return
        yield self._feasibility.sample(_DRAWS, int(rng.integers(2**31)))
        taken = list(self._taken.values())
        for index in rng.permutation(len(taken))[:_PARENTS]:
            yield self._space.neighbours(taken[index])
        yield self._mutants(np.stack([taken[i] for i in rng.integers(len(taken), size=_DRAWS)]) if taken else row[None], rng)

    def _mutants(self, rows: NDArray[np.int32], rng: np.random.Generator) -> Rows:
        """Return the rows with one and then ever more codes drawn anew, made canonical."""
        n, dimensions = rows.shape
        share = np.linspace(1.0, max(1.0, dimensions / 4), n) / dimensions
        changed = rng.random((n, dimensions)) < share[:, None]
        changed[np.arange(n), rng.integers(dimensions, size=n)] = True
        return self._space.canonical(np.where(changed, rng.integers(self._sizes, size=(n, dimensions)), rows).astype(np.int32))

    def _free(self, rows: Rows) -> Rows:
        feasible = rows[self._feasibility.mask(rows)] if len(rows) else rows
        return feasible[[not self.is_taken(row) for row in feasible]] if len(feasible) else feasible


def _key(row: Rows) -> bytes:
    return np.ascontiguousarray(row, dtype=np.int32).tobytes()
