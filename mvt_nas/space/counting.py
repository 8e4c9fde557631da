"""Exact counting and uniform sampling of the valid rows of a space, by variable elimination.

A row is valid if every *factor* allows it. A factor is a truth table over a few dimensions: a rule,
or "this code has an effect". The dimensions are eliminated one by one: the tables that depend on
one are multiplied, and the dimension is summed out. This gives the number of valid rows as an exact
integer. Going back through the eliminated dimensions gives a uniform sample, or all rows. The work
grows with the largest table, not with the space.

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

from mvt_nas._typing import FloatArray
from mvt_nas.errors import SpaceError

LARGEST_TABLE = 4_000_000
"""Largest number of entries of a table over a few dimensions."""


@dataclass(frozen=True, slots=True)
class ConstraintFactor:
    """A table over dimensions: the allowed combinations, or the number of their completions.

    Attributes:
        variables: The dimensions, ascending, one axis of ``table`` each.
        table: Truth values, or counts (``int64``, or Python integers where those do not fit).
        text: Text of the rule that the table represents, for messages; empty for other tables.
    """

    variables: tuple[int, ...]
    table: NDArray[Any]
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Step:
    """An eliminated dimension.

    Attributes:
        variable: The dimension.
        others: Dimensions of the other axes of the table.
        table: Product of the factors that depend on the dimension, whose axis is the last one.
    """

    variable: int
    others: tuple[int, ...]
    table: NDArray[Any]


class RowCounter:
    """Counts, samples and lists the valid rows of a space.

    Args:
        sizes: Number of codes of each dimension.
        factors: Truth tables that a valid row satisfies.
        where: Beginning of error messages.

    Attributes:
        size: Exact number of valid rows.

    Raises:
        SpaceError: The factors connect too many dimensions for a table that fits in memory.
    """

    def __init__(
        self, sizes: Sequence[int], factors: Sequence[ConstraintFactor], where: str = "space"
    ) -> None:
        self._sizes = tuple(sizes)
        self._where = where
        self._steps: list[_Step] = []
        self.size = self._eliminate(list(factors))

    @cached_property
    def _cumulative_probabilities(self) -> list[FloatArray]:
        """For each step the cumulative probabilities of the codes along the last axis."""
        result = []
        for step in self._steps:
            ways = np.cumsum(step.table, axis=-1)
            # Divided while they are still integers: a count may be larger than any float.
            result.append(np.asarray(ways / np.maximum(ways[..., -1:], 1), dtype=np.float64))
        return result

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.int32]:
        """Return ``n`` valid rows, (n, dimensions), drawn uniformly with replacement."""
        rows = np.zeros((n, len(self._sizes)), dtype=np.int32)
        # In reverse order of elimination, since a step's table depends on dimensions that were
        # eliminated later.
        probabilities = reversed(self._cumulative_probabilities)
        for step, cumulative in zip(reversed(self._steps), probabilities, strict=True):
            thresholds = cumulative[tuple(rows[:, other] for other in step.others)]
            # The inverse of the cumulative distribution: the number of thresholds not above a
            # uniform random number is the code.
            rows[:, step.variable] = (thresholds <= rng.random(n)[:, None]).sum(axis=-1)
        return rows

    def enumerate(self) -> NDArray[np.int32]:
        """Return all valid rows, (size, dimensions), in lexicographic order."""
        rows = np.zeros((1, len(self._sizes)), dtype=np.int32)
        for step in reversed(self._steps):
            # Each partial row is repeated once for each code that has a completion.
            allowed = step.table[tuple(rows[:, other] for other in step.others)] != 0
            parent, code = np.nonzero(np.broadcast_to(allowed, (len(rows), step.table.shape[-1])))
            rows = rows[parent]
            rows[:, step.variable] = code
        # lexsort() takes the last key as the most significant one.
        return rows[np.lexsort(rows.T[::-1])] if self._sizes else rows[: self.size]

    def _eliminate(self, factors: list[ConstraintFactor]) -> int:
        """Eliminate all dimensions; return the number of valid rows."""
        order = _elimination_order(self._sizes, [set(factor.variables) for factor in factors])
        for variable, others in order:
            involved = [factor for factor in factors if variable in factor.variables]
            factors = [factor for factor in factors if variable not in factor.variables]
            table = self._product((*others, variable), involved)
            self._steps.append(_Step(variable, others, table))
            factors.append(ConstraintFactor(others, _sum_last(table)))
        # Only tables without axes are left, one for each connected group of dimensions.
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
            # The factor's axes in the order of ``axes``, with axes of length 1 for the others, so
            # that the products broadcast.
            order = [factor.variables.index(v) for v in axes if v in factor.variables]
            expanded = factor.table.transpose(order).reshape(
                [self._sizes[v] if v in factor.variables else 1 for v in axes]
            )
            table = _times(table, expanded)
        return np.broadcast_to(table, shape)


def _elimination_order(
    sizes: Sequence[int], groups: list[set[int]]
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the dimensions in a good order of elimination, each with its neighbours at that time.

    Neighbours are dimensions with a common factor. The dimension with the smallest table is always
    the next (the "min-weight" heuristic).

    Args:
        sizes: Number of codes of each dimension.
        groups: Dimensions of each factor.
    """
    neighbours: list[set[int]] = []
    for variable in range(len(sizes)):
        connected = [group for group in groups if variable in group]
        neighbours.append(set[int]().union(*connected) - {variable})

    def table_size(variable: int) -> int:
        return sizes[variable] * prod(sizes[other] for other in neighbours[variable])

    remaining = {variable: table_size(variable) for variable in range(len(sizes))}
    while remaining:
        variable = min(remaining, key=lambda candidate: (remaining[candidate], candidate))
        del remaining[variable]
        for other in neighbours[variable]:
            # The sum over the eliminated dimension is a factor of all its neighbours.
            neighbours[other] = (neighbours[other] | neighbours[variable]) - {variable, other}
            remaining[other] = table_size(other)
        yield variable, tuple(sorted(neighbours[variable]))


def _times(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Return the exact product, in Python's integers where 64 bits might not be enough."""
    integers = a.dtype != object and b.dtype != object
    if integers and int(a.max(initial=0)) * int(b.max(initial=0)) >= 2**62:
        a = a.astype(object)
    return np.asarray(a * b)


def _sum_last(table: NDArray[Any]) -> NDArray[Any]:
    """Return the exact sum over the last axis."""
    if table.dtype != object and int(table.max(initial=0)) * table.shape[-1] >= 2**62:
        table = table.astype(object)
    return np.asarray(table.sum(axis=-1))
