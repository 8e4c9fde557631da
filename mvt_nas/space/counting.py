"""Exact counting and uniform sampling of the valid rows of a space, by variable elimination.

A row is valid where every *factor* allows it: a factor is a truth table over a few dimensions (a rule, or "this code has an effect").
Eliminating the dimensions one by one, each time multiplying the tables that mention it and summing it out, gives the number of valid
rows as an exact integer; walking back gives a uniform draw, or all rows. The work grows with the largest table, not with the space.

Source: R. Dechter, "Bucket elimination", Artificial Intelligence 113 (1999).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas.errors import SpaceError

_LARGEST_TABLE = 20_000_000


@dataclass(frozen=True, slots=True)
class Factor:
    """A table over dimensions: which combinations are allowed, or how many ways complete them.

    Attributes:
        variables: the dimensions, ascending; one axis of ``table`` each.
        table: truth values, or counts (``int64``, or Python integers where those do not fit).
        text: where it comes from, for messages.
    """

    variables: tuple[int, ...]
    table: NDArray[Any]
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Step:
    """An eliminated dimension: the product of its factors, with its own axis last."""

    variable: int
    others: tuple[int, ...]
    table: NDArray[Any]


class Counter:
    """The valid rows of a space.

    Args:
        sizes: number of codes of each dimension.
        factors: what makes a row valid.

    Raises:
        SpaceError: the factors tie so many dimensions together that a table would not fit in memory.
    """

    def __init__(self, sizes: Sequence[int], factors: Sequence[Factor]) -> None:
        self._sizes = tuple(sizes)
        self._steps: list[_Step] = []
        self.size = self._eliminate([Factor(f.variables, f.table.astype(np.int64), f.text) for f in factors])

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.int32]:
        """Return ``n`` rows, (n, dimensions), drawn uniformly with replacement."""
        rows = np.zeros((n, len(self._sizes)), dtype=np.int32)
        for step in reversed(self._steps):
            cumulated = np.cumsum(step.table.astype(np.float64), axis=-1)
            ways = cumulated[tuple(rows[:, other] for other in step.others)] if step.others else np.broadcast_to(cumulated, (n, cumulated.size))
            drawn = rng.random(n) * ways[:, -1]
            rows[:, step.variable] = (ways <= drawn[:, None]).sum(axis=1)
        return rows

    def enumerate(self) -> NDArray[np.int32]:
        """Return all valid rows, (size, dimensions), in lexicographic order."""
        rows = np.zeros((1, len(self._sizes)), dtype=np.int32)
        for step in reversed(self._steps):
            allowed = step.table[tuple(rows[:, other] for other in step.others)] != 0
            parent, code = np.nonzero(np.broadcast_to(allowed, (len(rows), step.table.shape[-1])))
            rows = rows[parent]
            rows[:, step.variable] = code
        return rows[np.lexsort(rows.T[::-1])]

    def _eliminate(self, factors: list[Factor]) -> int:
        total = 1
        left = set(range(len(self._sizes)))
        while left:
            variable = min(left, key=lambda v: (self._cost(v, factors), v))
            left.remove(variable)
            mine = [factor for factor in factors if variable in factor.variables]
            factors = [factor for factor in factors if variable not in factor.variables]
            others, table = self._product(variable, mine)
            self._steps.append(_Step(variable, others, table))
            message = _sum_last(table)
            if others:
                factors.append(Factor(others, message))
            else:
                total *= int(message)
        return total

    def _cost(self, variable: int, factors: list[Factor]) -> int:
        touched = {variable}.union(*(factor.variables for factor in factors if variable in factor.variables))
        return prod(self._sizes[v] for v in touched)

    def _product(self, variable: int, factors: list[Factor]) -> tuple[tuple[int, ...], NDArray[Any]]:
        others = tuple(sorted({v for factor in factors for v in factor.variables} - {variable}))
        axes = (*others, variable)
        shape = tuple(self._sizes[v] for v in axes)
        if prod(shape) > _LARGEST_TABLE:
            texts = ", ".join(sorted({factor.text for factor in factors if factor.text})) or "conditions"
            raise SpaceError(f"the rules and conditions tie {len(axes)} dimensions together ({texts}): {prod(shape)} combinations; at most {_LARGEST_TABLE}")
        table: NDArray[Any] = np.ones((), dtype=np.int64)
        for factor in factors:
            order = [factor.variables.index(v) for v in axes if v in factor.variables]
            expanded = factor.table.transpose(order).reshape([self._sizes[v] if v in factor.variables else 1 for v in axes])
            table = _times(table, expanded)
        return others, np.broadcast_to(table, shape)


def _times(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    if a.dtype != object and b.dtype != object and int(a.max(initial=0)) * int(b.max(initial=0)) >= 2**62:
        a = a.astype(object)
    return np.asarray(a * b)


def _sum_last(table: NDArray[Any]) -> NDArray[Any]:
    if table.dtype != object and int(table.max(initial=0)) * table.shape[-1] >= 2**62:
        table = table.astype(object)
    return np.asarray(table.sum(axis=-1))
