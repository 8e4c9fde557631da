"""Coordinate descent in a space: from a row to one that no change of one or two choices improves.

Changes of one choice are tried first, and all that help are combined while that helps too. Where
none does, two choices are changed at once: that crosses rules which tie two dimensions together
(``stage4.width >= stage3.width``) and budgets that pull in two directions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace

Loss = Callable[[Rows], FloatArray]
"""Returns the losses (n, k) of rows (n, dimensions), compared column by column: a column counts
where all columns before it tie."""

_ROUNDS = 400
_PAIRS = 40_000


def coordinate_descent(space: SearchSpace, starts: Rows, loss: Loss) -> Rows:
    """Return the rows (n, dimensions) reached from valid canonical rows (n, dimensions)."""
    reached = [_descend_from(space, start, loss) for start in starts]
    return np.stack(reached) if reached else starts


def _descend_from(space: SearchSpace, row: Rows, loss: Loss) -> Rows:
    best = loss(row[None])[0]
    for _ in range(_ROUNDS):
        steps = _combined(space, row, _better(space.neighbours(row), loss, best))
        better = _better(steps[space.obeys(steps)], loss, best)
        if not len(better):
            pairs = _pairs(space, row)
            better = _better(pairs[space.obeys(pairs)], loss, best)
        if not len(better):
            break
        row = better[0]
        best = loss(row[None])[0]
    return row


def _better(rows: Rows, loss: Loss, best: FloatArray) -> Rows:
    """Return the rows whose loss is below ``best``, the best one first."""
    if not len(rows):
        return rows
    losses = loss(rows)
    # The last key of lexsort is the primary one, so the columns are passed in reverse.
    order = np.lexsort(losses.T[::-1])
    below = np.zeros(len(rows), dtype=bool)
    # From the last column to the first: a column overrules those behind it unless it ties.
    for column in reversed(range(losses.shape[1])):
        below = (losses[:, column] < best[column]) | ((losses[:, column] == best[column]) & below)
    return rows[order[below[order]]]


def _combined(space: SearchSpace, row: Rows, better: Rows) -> Rows:
    """Return the best neighbour, and the row with the changes of all better neighbours together."""
    combined = row.copy()
    # The best neighbour comes last, so that it wins where several change one dimension.
    for neighbour in better[::-1]:
        changed = neighbour != row
        combined[changed] = neighbour[changed]
    return np.concatenate([better[:1], space.canonical(combined[None])])


def _pairs(space: SearchSpace, row: Rows) -> Rows:
    """Return the canonical rows with two choices changed, (n, dimensions); of very many, some."""
    changes = [
        (index, code)
        for index, dimension in enumerate(space.dimensions)
        for code in range(len(dimension.values))
        if code != row[index]
    ]
    dimensions, codes = np.array(changes, dtype=np.int32).reshape(-1, 2).T
    # Every unordered pair of changes. Two changes of one dimension leave the second one.
    first, second = np.triu_indices(len(changes), 1)
    if len(first) > _PAIRS:
        kept = np.random.default_rng(0).choice(len(first), _PAIRS, replace=False)
        first = first[kept]
        second = second[kept]
    rows = np.repeat(row[None], len(first), axis=0)
    every = np.arange(len(first))
    rows[every, dimensions[first]] = codes[first]
    rows[every, dimensions[second]] = codes[second]
    return space.canonical(rows)
