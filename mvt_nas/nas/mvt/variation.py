"""New rows from old ones: mutations, crossings, and all rows one choice away; many thousands at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace


class Variation:
    """Breeds canonical rows of a space; whether they obey its rules is for others to say.

    Args:
        space: the space.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._sizes = np.array(
            [len(dimension.values) for dimension in space.dimensions], dtype=np.int32
        )
        self._ordinal = np.array([dimension.ordinal for dimension in space.dimensions], dtype=bool)

    def children(self, parents: Rows, n: int, rng: np.random.Generator) -> Rows:
        """Return ``n`` rows, (n, dimensions): half of them mutants of one parent, half crossings of two, some mutated as well."""
        if not len(parents) or not len(self._sizes):
            return np.zeros((0, len(self._sizes)), dtype=np.int32)
        first = parents[rng.integers(len(parents), size=n)]
        second = parents[rng.integers(len(parents), size=n)]
        crossed = np.where(rng.random(first.shape) < 0.5, first, second)
        half = n // 2
        rows = np.concatenate([self.mutants(first[:half], rng), crossed[half:]])
        again = half + (n - half) // 2
        rows[again:] = self.mutants(rows[again:], rng)
        return self._space.canonical(rows)

    def mutants(self, rows: Rows, rng: np.random.Generator) -> NDArray[np.int32]:
        """Return the rows with one to five codes changed, mostly few; not made canonical.

        Of the changes of a number, half go to the next smaller or larger one.
        """
        n, dimensions = rows.shape
        changes = np.minimum(rng.geometric(0.5, size=n), 5)
        changed = rng.random((n, dimensions)) < (changes / max(dimensions, 1))[:, None]
        if dimensions:
            changed[np.arange(n), rng.integers(dimensions, size=n)] = True
        drawn = rng.integers(self._sizes, size=(n, dimensions), dtype=np.int32)
        step = np.clip(
            rows + rng.choice(np.array([-1, 1], dtype=np.int32), size=(n, dimensions)),
            0,
            self._sizes - 1,
        )
        new = np.where(self._ordinal & (rng.random((n, dimensions)) < 0.5), step, drawn)
        return np.where(changed, new, rows).astype(np.int32)

    def neighbours(self, rows: Rows) -> Rows:
        """Return all different canonical rows that are one choice away from one of the rows."""
        parts = [np.zeros((0, len(self._sizes)), dtype=np.int32)]
        for dimension, size in enumerate(self._sizes):
            for code in range(size):
                changed = rows[rows[:, dimension] != code].copy()
                changed[:, dimension] = code
                parts.append(changed)
        return unique_rows(self._space.canonical(np.concatenate(parts)))


def unique_rows(rows: Rows) -> Rows:
    """Return the different rows, each where it first stands."""
    return rows[np.sort(np.unique(row_keys(rows), return_index=True)[1])]


def exclude_rows(rows: Rows, taken: Rows) -> Rows:
    """Return the rows that are not among those taken."""
    return rows[~np.isin(row_keys(rows), row_keys(taken))] if len(taken) and len(rows) else rows


def not_yet_seen(rows: Rows, taken: NDArray[np.uint64]) -> Rows:
    """Return the rows whose keys are not among those taken, which are sorted: of very many, quicker than :func:`without`."""
    if not len(taken) or not len(rows):
        return rows
    own = row_keys(rows)
    found: Rows = rows[taken[np.minimum(np.searchsorted(taken, own), len(taken) - 1)] != own]
    return found


def row_keys(rows: Rows) -> NDArray[np.uint64]:
    """Return a number for each row, (n,): equal for equal rows, else different but for one pair in 2^63."""
    odd = np.random.default_rng(0).integers(
        1, 2**64, size=rows.shape[1], dtype=np.uint64
    ) | np.uint64(1)
    weights: NDArray[np.uint64] = np.atleast_1d(odd)
    total = np.zeros(len(rows), dtype=np.uint64)
    for column in range(rows.shape[1]):
        total += rows[:, column].astype(np.uint64) * weights[column]
    return total
