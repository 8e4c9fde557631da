"""The fields of many encoded rows at once.

A row holds one code (an index into the values) per dimension. :class:`Columns` evaluates only the
fields that are asked for, each once, for all rows together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mvt_nas.space.plan import CappedValue, Choice, Constant, Derived, Node, SpacePlan, Where
from mvt_nas.space.rules import Rule

Rows = NDArray[np.integer[Any]]
"""Encoded architectures, (n, dimensions)."""

Mask = NDArray[np.bool_]


class Columns:
    """Lazily evaluated fields of encoded rows.

    Args:
        plan: of the space.
        rows: (n, dimensions).
        dimensions: which dimensions the columns of ``rows`` are, where they are not all; the others
            then have code 0.
    """

    def __init__(
        self, plan: SpacePlan, rows: Rows, dimensions: Sequence[int] | None = None
    ) -> None:
        self._plan = plan
        self._rows = rows
        self._columns = (
            None
            if dimensions is None
            else {dimension: column for column, dimension in enumerate(dimensions)}
        )
        self._values: dict[str, NDArray[Any]] = {}
        self._held: dict[Where, Mask | None] = {(): None}

    def __len__(self) -> int:
        return len(self._rows)

    def codes(self, dimension: int) -> NDArray[Any]:
        """Return the codes of one dimension, (n,)."""
        if self._columns is None:
            return self._rows[:, dimension]
        column = self._columns.get(dimension)
        return (
            np.zeros(len(self._rows), dtype=self._rows.dtype)
            if column is None
            else self._rows[:, column]
        )

    def value(self, path: str) -> NDArray[Any]:
        """Return the values of a field, (n,); meaningless where it is inactive."""
        if path not in self._values:
            self._values[path] = self._evaluate(self._plan.nodes[path])
        return self._values[path]

    def active(self, path: str) -> Mask:
        """Return where a field is active, (n,)."""
        return self._filled(self._hold(self._plan.nodes[path].when))

    def applies(self, node: Node) -> Mask:
        """Return where a field is active and follows its dimension, so that the code has an effect."""
        choice = node.choice
        return (
            self._filled(_both(self._hold(node.when), self._hold(choice[0])))
            if choice
            else np.zeros(len(self._rows), dtype=bool)
        )

    def listed(self, path: str) -> list[Any]:
        """Return the values of a field as plain values, ``None`` where it is inactive."""
        values: list[Any] = self.value(path).tolist()
        active = self._hold(self._plan.nodes[path].when)
        return (
            values
            if active is None
            else [
                value if there else None
                for value, there in zip(values, active.tolist(), strict=True)
            ]
        )

    def obeys(self, rule: Rule) -> Mask:
        """Return where a rule holds; it holds where a field that it names is inactive."""
        result = np.broadcast_to(np.asarray(rule.holds(self.value), dtype=bool), len(self._rows))
        for name in rule.names:
            active = self._hold(self._plan.nodes[name].when)
            result = result if active is None else result | ~active
        return result

    def canonical(self) -> NDArray[np.int32]:
        """Return the rows with every code that has no effect, or the same effect as a smaller one, made the smallest."""
        result = np.empty((len(self), len(self._plan.dimensions)), dtype=np.int32)
        for index in range(len(self._plan.dimensions)):
            result[:, index] = self.canonical_codes(index)
        return result

    def is_canonical(self, dimension: int) -> Mask:
        """Return where the code of one dimension is canonical, (n,)."""
        followers, codes = self._plan.followers[dimension], self.codes(dimension)
        if any(node.path in self._plan.factors for node in followers):
            return np.asarray(
                (codes == 0) | ~self._alike(dimension, followers, np.maximum(codes - 1, 0))
            )
        return np.asarray(self.canonical_codes(dimension) == codes)

    def canonical_codes(self, dimension: int) -> NDArray[Any]:
        """Return the canonical codes of one dimension, (n,)."""
        followers = self._plan.followers[dimension]
        codes = self.codes(dimension)
        if self._plan.always_matters(dimension):
            return codes
        if any(node.path in self._plan.factors for node in followers):
            return self._smallest_alike(dimension, followers)
        return np.where(np.logical_or.reduce([self.applies(node) for node in followers]), codes, 0)

    def _smallest_alike(self, dimension: int, factors: Sequence[Node]) -> NDArray[Any]:
        """Return the smallest codes with which the factors derive the same values, by bisection."""
        low, high = np.zeros(len(self._rows), dtype=np.intp), self.codes(dimension).astype(np.intp)
        for _ in range(len(self._plan.values[dimension]).bit_length()):
            middle = (low + high) // 2
            alike = self._alike(dimension, factors, middle)
            high = np.where(alike, middle, high)
            low = np.where(alike, low, np.minimum(middle + 1, high))
        return high

    def _alike(self, dimension: int, factors: Sequence[Node], codes: NDArray[Any]) -> Mask:
        """Return where other codes of a dimension derive the same values as the rows' own."""
        factor = self._plan.values[dimension][codes]
        alike = np.ones(len(self._rows), dtype=bool)
        for node in factors:
            derived = self._plan.factors[node.path]
            same = derived.alias.derive(factor, self.value(derived.base)) == self.value(
                derived.target
            )
            alike &= same | ~self.applies(node)
        return alike

    def _evaluate(self, node: Node) -> NDArray[Any]:
        *cases, last = node.cases
        result = self._from(last.source)
        for case in reversed(cases):
            result = np.where(self._filled(self._hold(case.when)), self._from(case.source), result)
        return result

    def _from(self, source: Choice | Constant | Derived | CappedValue) -> NDArray[Any]:
        if isinstance(source, Choice):
            dimension = self._plan.index[source.dimension]
            return np.asarray(self._plan.values[dimension][self.codes(dimension)])
        if isinstance(source, Constant):
            return np.full(len(self._rows), source.value)
        if isinstance(source, CappedValue):
            return np.asarray(np.minimum(self.value(source.base), source.most))
        return np.asarray(source.alias.derive(self.value(source.factor), self.value(source.base)))

    def _hold(self, when: Where) -> Mask | None:
        """Return where conditions hold, ``None`` for everywhere."""
        if when not in self._held:
            result: Mask | None = None
            for path, allowed in when:
                values = self.value(path)
                among = values == allowed[0]
                for other in allowed[1:]:
                    among = among | (values == other)
                result = _both(_both(result, among), self._hold(self._plan.nodes[path].when))
            self._held[when] = result
        return self._held[when]

    def _filled(self, mask: Mask | None) -> Mask:
        return np.ones(len(self._rows), dtype=bool) if mask is None else mask


def _both(a: Mask | None, b: Mask | None) -> Mask | None:
    if a is None or b is None:
        return b if a is None else a
    return a & b


def one_row(row: ArrayLike) -> NDArray[Any]:
    """Return a row as the only one of an array; of unequal parts, nothing that could be taken for a row."""
    try:
        return np.asarray(row)[None]
    except ValueError:
        return np.empty((0, 0), dtype=object)


def as_rows(rows: ArrayLike, dimensions: int) -> NDArray[Any]:
    """Return rows as an array; no rows, and rows of no dimensions, are integers too."""
    try:
        array = np.asarray(rows)
    except ValueError:
        return np.empty((0, 0), dtype=object)  # rows of unequal length
    if not array.size and array.ndim and (not len(array) or not dimensions):
        return np.zeros((len(array), dimensions), dtype=np.int32)
    return array
