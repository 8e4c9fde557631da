"""Exact counting and uniform sampling of the valid rows of a space, by variable elimination.

A row is valid where every *factor* allows it: a factor is a truth table over a few dimensions (a
rule, or "this code has an effect"). Eliminating the dimensions one by one, each time multiplying
the tables that mention it and summing it out, gives the number of valid rows as an exact integer;
walking back gives a uniform draw, or all rows. The work grows with the largest table, not with the
space.

Source: R. Dechter, "Bucket elimination", Artificial Intelligence 113 (1999).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas.errors import SpaceError

LARGEST_TABLE = 4_000_000
"""The most combinations of a few dimensions that are tabulated."""


@dataclass(frozen=True, slots=True)
class ConstraintFactor:
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


class RowCounter:
    """The valid rows of a space.

    Args:
        sizes: number of codes of each dimension.
        factors: what makes a row valid.
        where: begins messages.

    Raises:
        SpaceError: the factors tie so many dimensions together that a table would not fit in
            memory.
    """

    def __init__(
        self, sizes: Sequence[int], factors: Sequence[ConstraintFactor], where: str = "space"
    ) -> None:
        self._sizes = tuple(sizes)
        self._where = where
        self._steps: list[_Step] = []
        self.size = self._eliminate(list(factors))

    @cached_property
    def _shares(self) -> list[NDArray[Any]]:
        """For each step the cumulated shares of its codes, the last one 1."""
        cumulated = [np.cumsum(step.table, axis=-1) for step in self._steps]
        # Divided while they are still integers: a count may be larger than any float.
        return [
            np.asarray(ways / np.maximum(ways[..., -1:], 1), dtype=np.float64) for ways in cumulated
        ]

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.int32]:
        """Return ``n`` rows, (n, dimensions), drawn uniformly with replacement."""
        rows = np.zeros((n, len(self._sizes)), dtype=np.int32)
        for step, shares in zip(reversed(self._steps), reversed(self._shares), strict=True):
            share = shares[tuple(rows[:, other] for other in step.others)]
            rows[:, step.variable] = (share <= rng.random(n)[:, None]).sum(axis=-1)
        return rows

    def enumerate(self) -> NDArray[np.int32]:
        """Return all valid rows, (size, dimensions), in lexicographic order."""
        rows = np.zeros((1, len(self._sizes)), dtype=np.int32)
        for step in reversed(self._steps):
            allowed = step.table[tuple(rows[:, other] for other in step.others)] != 0
            parent, code = np.nonzero(np.broadcast_to(allowed, (len(rows), step.table.shape[-1])))
            rows = rows[parent]
            rows[:, step.variable] = code
        return rows[np.lexsort(rows.T[::-1])] if self._sizes else rows[: self.size]

    def _eliminate(self, factors: list[ConstraintFactor]) -> int:
        for variable, others in _order(self._sizes, [set(factor.variables) for factor in factors]):
            mine = [factor for factor in factors if variable in factor.variables]
            factors = [factor for factor in factors if variable not in factor.variables]
            table = self._product((*others, variable), mine)
            self._steps.append(_Step(variable, others, table))
            factors.append(ConstraintFactor(others, _sum_last(table)))
        return prod(int(factor.table) for factor in factors)

    def _product(self, axes: tuple[int, ...], factors: list[ConstraintFactor]) -> NDArray[Any]:
        """Return the product of factors with one axis for each of ``axes``."""
        shape = tuple(self._sizes[v] for v in axes)
        if prod(shape) > LARGEST_TABLE:
            raise SpaceError(
                f"{self._where}: the rules tie {len(axes)} dimensions together: {prod(shape)}"
                f" combinations; at most {LARGEST_TABLE}"
            )
        table: NDArray[Any] = np.ones((), dtype=np.int64)
        for factor in factors:
            order = [factor.variables.index(v) for v in axes if v in factor.variables]
            expanded = factor.table.transpose(order).reshape(
                [self._sizes[v] if v in factor.variables else 1 for v in axes]
            )
            table = _times(table, expanded)
        return np.broadcast_to(table, shape)


def _order(sizes: Sequence[int], tied: list[set[int]]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the dimensions, that with the smallest table first, each with those that it is then tied to."""
    near = [
        set[int]().union(*(group for group in tied if v in group)) - {v} for v in range(len(sizes))
    ]
    cost = {v: sizes[v] * prod(sizes[u] for u in near[v]) for v in range(len(sizes))}
    while cost:
        variable = min(cost, key=lambda v: (cost[v], v))
        del cost[variable]
        for other in near[variable]:
            near[other] = (near[other] | near[variable]) - {variable, other}
            cost[other] = sizes[other] * prod(sizes[u] for u in near[other])
        yield variable, tuple(sorted(near[variable]))


def _times(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    if (
        a.dtype != object
        and b.dtype != object
        and int(a.max(initial=0)) * int(b.max(initial=0)) >= 2**62
    ):
        a = a.astype(object)
    return np.asarray(a * b)


def _sum_last(table: NDArray[Any]) -> NDArray[Any]:
    if table.dtype != object and int(table.max(initial=0)) * table.shape[-1] >= 2**62:
        table = table.astype(object)
    return np.asarray(table.sum(axis=-1))
