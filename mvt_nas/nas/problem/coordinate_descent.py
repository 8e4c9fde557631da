"""Descent in a space: from a row to one that no change of one or two choices makes better.

Changes of one choice are tried first, and all that help are joined while that helps too. Where none
does, two choices are changed at once: that crosses rules which tie two dimensions together
(``stage4.width >= stage3.width``) and budgets that pull in two directions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace

Loss = Callable[[Rows], NDArray[np.float64]]
"""Gives rows (n, dimensions) their losses (n, k); the first column decides, the next where it ties,
and so on."""

_ROUNDS = 400
_PAIRS = 40_000


def coordinate_descent(space: SearchSpace, starts: Rows, loss: Loss) -> Rows:
    """Return the rows, (n, dimensions), that are reached from valid canonical rows, (n, dimensions)."""
    reached = [_descend_from(space, start, loss) for start in starts]
    return np.stack(reached) if reached else starts


def _descend_from(space: SearchSpace, row: Rows, loss: Loss) -> Rows:
    best = loss(row[None])[0]
    for _ in range(_ROUNDS):
        steps = _joined(space, row, _better(space.neighbours(row), loss, best))
        better = _better(steps[space.obeys(steps)], loss, best)
        if not len(better):
            pairs = _pairs(space, row)
            better = _better(pairs[space.obeys(pairs)], loss, best)
        if not len(better):
            break
        row = better[0]
        best = loss(row[None])[0]
    return row


def _better(rows: Rows, loss: Loss, best: NDArray[np.float64]) -> Rows:
    """Return the rows whose loss is below ``best``, the best one first."""
    if not len(rows):
        return rows
    losses = loss(rows)
    order = np.lexsort(losses.T[::-1])
    below = np.zeros(len(rows), dtype=bool)
    for column in reversed(range(losses.shape[1])):
        below = (losses[:, column] < best[column]) | ((losses[:, column] == best[column]) & below)
    return rows[order[below[order]]]


def _joined(space: SearchSpace, row: Rows, better: Rows) -> Rows:
    """Return the best neighbour, and the row with the changes of all better neighbours, the best of each dimension."""
    joined = row.copy()
    for neighbour in better[::-1]:
        changed = neighbour != row
        joined[changed] = neighbour[changed]
    return np.concatenate([better[:1], space.canonical(joined[None])])


def _pairs(space: SearchSpace, row: Rows) -> Rows:
    """Return the canonical rows with two choices changed, (n, dimensions); of very many, some."""
    changes = [
        (index, code)
        for index, d in enumerate(space.dimensions)
        for code in range(len(d.values))
        if code != row[index]
    ]
    dimensions, codes = np.array(changes, dtype=np.int32).reshape(-1, 2).T
    first, second = np.triu_indices(len(changes), 1)
    if len(first) > _PAIRS:
        kept = np.random.default_rng(0).choice(len(first), _PAIRS, replace=False)
        first, second = first[kept], second[kept]
    rows = np.repeat(row[None], len(first), axis=0)
    every = np.arange(len(first))
    rows[every, dimensions[first]] = codes[first]
    rows[every, dimensions[second]] = codes[second]
    return space.canonical(rows)
