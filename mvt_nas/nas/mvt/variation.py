"""Variation operators on rows: mutation, crossover and neighbourhoods, many thousands at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace

_MAX_CHANGES = 5


class Variation:
    """Derives canonical rows of a space from others; they may break rules of the space.

    Args:
        space: Search space.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._sizes = np.array(
            [len(dimension.values) for dimension in space.dimensions], dtype=np.int32
        )
        self._ordinal = np.array([dimension.ordinal for dimension in space.dimensions], dtype=bool)

    def children(self, parents: Rows, n: int, rng: np.random.Generator) -> Rows:
        """Return ``n`` children of random parents, (n, dimensions).

        The first half are mutants of one parent, the others crossovers of two; the last quarter is
        mutated after crossover.
        """
        if not len(parents) or not len(self._sizes):
            return np.zeros((0, len(self._sizes)), dtype=np.int32)
        first = parents[rng.integers(len(parents), size=n)]
        second = parents[rng.integers(len(parents), size=n)]
        crossed = np.where(rng.random(first.shape) < 0.5, first, second)
        half = n // 2
        rows = np.concatenate([self.mutants(first[:half], rng), crossed[half:]])
        three_quarters = half + (n - half) // 2
        rows[three_quarters:] = self.mutants(rows[three_quarters:], rng)
        return self._space.canonical(rows)

    def mutants(self, rows: Rows, rng: np.random.Generator) -> NDArray[np.int32]:
        """Return the rows with one to five codes changed, mostly few; not made canonical.

        Half of the changes in an ordinal dimension go to the next smaller or larger value.
        """
        n, dimensions = rows.shape
        expected_changes = np.minimum(rng.geometric(0.5, size=n), _MAX_CHANGES)
        changed = rng.random((n, dimensions)) < (expected_changes / max(dimensions, 1))[:, None]
        if dimensions:
            # At least one dimension of each row changes.
            changed[np.arange(n), rng.integers(dimensions, size=n)] = True
        uniform = rng.integers(self._sizes, size=(n, dimensions), dtype=np.int32)
        steps = rng.choice(np.array([-1, 1], dtype=np.int32), size=(n, dimensions))
        adjacent = np.clip(rows + steps, 0, self._sizes - 1)
        use_adjacent = self._ordinal & (rng.random((n, dimensions)) < 0.5)
        mutated = np.where(use_adjacent, adjacent, uniform)
        return np.where(changed, mutated, rows).astype(np.int32)

    def neighbours(self, rows: Rows) -> Rows:
        """Return all distinct canonical rows that differ in one choice from one of the rows."""
        parts = [np.zeros((0, len(self._sizes)), dtype=np.int32)]
        for dimension, size in enumerate(self._sizes):
            for code in range(size):
                changed = rows[rows[:, dimension] != code].copy()
                changed[:, dimension] = code
                parts.append(changed)
        return unique_rows(self._space.canonical(np.concatenate(parts)))


def unique_rows(rows: Rows) -> Rows:
    """Return the distinct rows in the order of their first occurrence."""
    return rows[np.sort(np.unique(row_keys(rows), return_index=True)[1])]


def exclude_rows(rows: Rows, taken: Rows) -> Rows:
    """Return the rows that are not among those taken."""
    if not len(taken) or not len(rows):
        return rows
    return rows[~np.isin(row_keys(rows), row_keys(taken))]


def not_yet_seen(rows: Rows, taken: NDArray[np.uint64]) -> Rows:
    """Return the rows whose keys are not among ``taken``, which must be sorted.

    With very many taken keys this is faster than :func:`exclude_rows`.
    """
    if not len(taken) or not len(rows):
        return rows
    keys = row_keys(rows)
    # A key above all taken ones would be inserted at the end: compare it with the last one.
    indices = np.minimum(np.searchsorted(taken, keys), len(taken) - 1)
    unseen: Rows = rows[taken[indices] != keys]
    return unseen


def row_keys(rows: Rows) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each row, (n,).

    Equal rows have equal keys; two different rows collide with a probability of 2^-63. The key is
    the sum of the codes times fixed random odd weights, modulo 2^64.
    """
    random = np.random.default_rng(0).integers(1, 2**64, size=rows.shape[1], dtype=np.uint64)
    weights: NDArray[np.uint64] = np.atleast_1d(random | np.uint64(1))
    total = np.zeros(len(rows), dtype=np.uint64)
    for column in range(rows.shape[1]):
        total += rows[:, column].astype(np.uint64) * weights[column]
    return total
