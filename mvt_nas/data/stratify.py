"""Stratified draws, in which every class keeps its share.

Shares are those of the pool, rounded by largest remainders (Hamilton's method), so that they add up
exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mvt_nas.errors import DataError


def shares(counts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return the number of members of each class in a draw of ``size``, at most ``counts``."""
    exact = counts * (size / max(1, int(counts.sum())))
    result: NDArray[np.int64] = np.minimum(np.floor(exact), counts).astype(np.int64)
    order = np.argsort(result - exact, kind="stable")  # largest remainder first
    not_full = order[result[order] < counts[order]]
    result[not_full[: size - int(result.sum())]] += 1
    return result


def draw(
    labels: NDArray[np.int64],
    pool: NDArray[np.int64],
    size: int,
    rng: np.random.Generator,
    what: str,
) -> NDArray[np.int64]:
    """Return ``size`` indices out of ``pool``, ascending, in which each class has its share.

    Args:
        labels: Labels of all images, (N,).
        pool: Indices to draw from.
        size: Number of indices to draw.
        rng: Random generator.
        what: Beginning of the message.

    Raises:
        DataError: the size is below 1 or above that of the pool.
    """
    if type(size) is not int or not 1 <= size <= len(pool):
        raise DataError(
            f"{what} = {size!r} is not allowed; an integer from 1 to {len(pool)}, the number of"
            " images left for it"
        )
    own = labels[pool]
    classes, counts = np.unique(own, return_counts=True)
    drawn = [
        rng.permutation(pool[own == label])[:count]
        for label, count in zip(classes, shares(counts, size), strict=True)
    ]
    return np.sort(np.concatenate(drawn))


def at_most(labels: NDArray[np.int64], limit: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the indices of at most ``limit`` members of each class, ascending."""
    drawn = [
        rng.permutation(np.flatnonzero(labels == label))[:limit] for label in np.unique(labels)
    ]
    return np.sort(np.concatenate(drawn))
