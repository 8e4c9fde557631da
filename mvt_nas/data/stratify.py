"""Draws in which every class has its share.

Shares are those of the pool, rounded by largest remainders (Hamilton's method), so that they add up
exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mvt_nas.errors import DataError


def shares(counts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return how many of ``size`` fall to each class of ``counts`` members; no more than there are."""
    exact = counts * (size / max(1, int(counts.sum())))
    result: NDArray[np.int64] = np.minimum(np.floor(exact), counts).astype(np.int64)
    order = np.argsort(result - exact, kind="stable")  # largest remainder first
    open_places = order[result[order] < counts[order]]
    result[open_places[: size - int(result.sum())]] += 1
    return result


def draw(
    labels: NDArray[np.int64],
    pool: NDArray[np.int64],
    size: int,
    random: np.random.Generator,
    what: str,
) -> NDArray[np.int64]:
    """Return ``size`` indices out of ``pool``, ascending, each class with its share.

    Raises:
        DataError: the size is below 1 or above what the pool holds; ``what`` begins the message.
    """
    if type(size) is not int or not 1 <= size <= len(pool):
        raise DataError(
            f"{what} = {size!r} is not allowed; an integer from 1 to {len(pool)}, the pictures that"
            " are left for it"
        )
    own = labels[pool]
    classes, counts = np.unique(own, return_counts=True)
    drawn = [
        random.permutation(pool[own == label])[:count]
        for label, count in zip(classes, shares(counts, size), strict=True)
    ]
    return np.sort(np.concatenate(drawn))


def at_most(
    labels: NDArray[np.int64], limit: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Return the indices, ascending, of at most ``limit`` members of each class."""
    drawn = [
        random.permutation(np.flatnonzero(labels == label))[:limit] for label in np.unique(labels)
    ]
    return np.sort(np.concatenate(drawn))
