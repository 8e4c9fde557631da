"""The fields of many encoded architectures at once.

A row holds one code (an index into the values) per dimension. :class:`Columns` evaluates only the
fields that are needed, each once, for all rows together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mvt_nas._typing import BoolArray
from mvt_nas.space.plan import (
    CappedValue,
    Choice,
    Constant,
    Derived,
    Node,
    PathConditions,
    SpacePlan,
)
from mvt_nas.space.rules import Rule

Rows = NDArray[np.integer[Any]]
"""Encoded architectures, (n, dimensions)."""


class Columns:
    """Lazily evaluated fields of encoded rows.

    Args:
        plan: Plan of the space.
        rows: Encoded rows, (n, dimensions).
        dimensions: The dimension of each column of ``rows``, where these are not all dimensions of
            the space; the other dimensions then have code 0.
    """

    def __init__(
        self, plan: SpacePlan, rows: Rows, dimensions: Sequence[int] | None = None
    ) -> None:
        self._plan = plan
        self._rows = rows
        self._columns: dict[int, int] | None = None
        if dimensions is not None:
            self._columns = {dimension: column for column, dimension in enumerate(dimensions)}
        # Values by path, and masks by conditions. A mask of None means "everywhere": most fields
        # are always active, and skipping their masks saves most of the time.
        self._values: dict[str, NDArray[Any]] = {}
        self._masks: dict[PathConditions, BoolArray | None] = {(): None}

    def __len__(self) -> int:
        return len(self._rows)

    def codes(self, dimension: int) -> NDArray[Any]:
        """Return the codes of one dimension, (n,)."""
        if self._columns is None:
            return self._rows[:, dimension]
        column = self._columns.get(dimension)
        if column is None:
            return np.zeros(len(self._rows), dtype=self._rows.dtype)
        return self._rows[:, column]

    def value(self, path: str) -> NDArray[Any]:
        """Return the values of a field, (n,); those where it is inactive have no meaning."""
        if path not in self._values:
            self._values[path] = self._evaluate(self._plan.nodes[path])
        return self._values[path]

    def active(self, path: str) -> BoolArray:
        """Return the mask of the rows where a field is active, (n,)."""
        return self._filled(self._mask(self._plan.nodes[path].when))

    def follows_dimension(self, node: Node) -> BoolArray:
        """Return the mask of the rows where a field is active and its dimension's code sets it."""
        if node.choice is None:
            return np.zeros(len(self._rows), dtype=bool)
        conditions, _ = node.choice
        return self._filled(_both(self._mask(node.when), self._mask(conditions)))

    def listed(self, path: str) -> list[Any]:
        """Return the values of a field as plain values, ``None`` where it is inactive."""
        values: list[Any] = self.value(path).tolist()
        active = self._mask(self._plan.nodes[path].when)
        if active is None:
            return values
        return [
            value if is_active else None
            for value, is_active in zip(values, active.tolist(), strict=True)
        ]

    def obeys(self, rule: Rule) -> BoolArray:
        """Return the mask of the rows that obey a rule, (n,).

        A rule also holds where a field that it names is inactive.
        """
        result = np.broadcast_to(np.asarray(rule.holds(self.value), dtype=bool), len(self._rows))
        for name in rule.names:
            active = self._mask(self._plan.nodes[name].when)
            if active is not None:
                result = result | ~active
        return result

    def canonical(self) -> NDArray[np.int32]:
        """Return the canonical rows of the same architectures, (n, dimensions).

        Each code is the smallest one with the same effect; so it is 0 where it has none.
        """
        result = np.empty((len(self), len(self._plan.dimensions)), dtype=np.int32)
        for dimension in range(len(self._plan.dimensions)):
            result[:, dimension] = self.canonical_codes(dimension)
        return result

    def is_canonical(self, dimension: int) -> BoolArray:
        """Return the mask of the rows whose code of one dimension is canonical, (n,)."""
        codes = self.codes(dimension)
        if self._gives_factors(dimension):
            # Equal effects have neighbouring codes, so the next smaller code is enough to compare.
            smaller = np.maximum(codes - 1, 0)
            return np.asarray((codes == 0) | ~self._same_effect(dimension, smaller))
        return np.asarray(self.canonical_codes(dimension) == codes)

    def canonical_codes(self, dimension: int) -> NDArray[Any]:
        """Return the canonical codes of one dimension, (n,)."""
        codes = self.codes(dimension)
        if self._plan.always_matters(dimension):
            return codes
        if self._gives_factors(dimension):
            return self._smallest_same_effect(dimension)
        followers = self._plan.followers[dimension]
        has_effect = np.logical_or.reduce([self.follows_dimension(node) for node in followers])
        return np.where(has_effect, codes, 0)

    def _gives_factors(self, dimension: int) -> bool:
        """Return True if some field that follows the dimension is a factor of another field.

        Then different codes may derive the same value, by rounding.
        """
        return any(node.path in self._plan.factors for node in self._plan.followers[dimension])

    def _smallest_same_effect(self, dimension: int) -> NDArray[Any]:
        """Return the smallest codes, (n,), with the same effect as the rows' own.

        A derived value never falls when its factor rises, and values ascend with their codes. So
        the codes of equal effect are a range up to the row's own code, whose begin a bisection of
        all rows together finds. ``high`` always has the same effect; all codes below ``low`` have
        another one.
        """
        low = np.zeros(len(self._rows), dtype=np.intp)
        high = self.codes(dimension).astype(np.intp)
        for _ in range(len(self._plan.values[dimension]).bit_length()):
            middle = (low + high) // 2
            same = self._same_effect(dimension, middle)
            # Where low has reached high, middle is both, and neither moves any more.
            high = np.where(same, middle, high)
            low = np.where(same, low, np.minimum(middle + 1, high))
        return high

    def _same_effect(self, dimension: int, codes: NDArray[Any]) -> BoolArray:
        """Return the mask of the rows where other codes of a dimension derive the same values."""
        factor = self._plan.values[dimension][codes]
        same = np.ones(len(self._rows), dtype=bool)
        for node in self._plan.followers[dimension]:
            derived = self._plan.factors[node.path]
            other = derived.alias.derive(factor, self.value(derived.base))
            same &= (other == self.value(derived.target)) | ~self.follows_dimension(node)
        return same

    def _evaluate(self, node: Node) -> NDArray[Any]:
        # The first case that holds gives the value, so the earlier ones overwrite the later ones.
        *cases, last = node.cases
        result = self._source_values(last.source)
        for case in reversed(cases):
            mask = self._filled(self._mask(case.when))
            result = np.where(mask, self._source_values(case.source), result)
        return result

    def _source_values(self, source: Choice | Constant | Derived | CappedValue) -> NDArray[Any]:
        if isinstance(source, Choice):
            dimension = self._plan.index[source.dimension]
            return np.asarray(self._plan.values[dimension][self.codes(dimension)])
        if isinstance(source, Constant):
            return np.full(len(self._rows), source.value)
        if isinstance(source, CappedValue):
            return np.asarray(np.minimum(self.value(source.base), source.most))
        return np.asarray(source.alias.derive(self.value(source.factor), self.value(source.base)))

    def _mask(self, when: PathConditions) -> BoolArray | None:
        """Return the mask of the rows where conditions hold, ``None`` for everywhere."""
        if when not in self._masks:
            result: BoolArray | None = None
            for path, allowed in when:
                values = self.value(path)
                matches = values == allowed[0]
                for other in allowed[1:]:
                    matches = matches | (values == other)
                # The value of an inactive field means nothing, so the field has to be active too.
                active = self._mask(self._plan.nodes[path].when)
                result = _both(_both(result, matches), active)
            self._masks[when] = result
        return self._masks[when]

    def _filled(self, mask: BoolArray | None) -> BoolArray:
        return np.ones(len(self._rows), dtype=bool) if mask is None else mask


def _both(a: BoolArray | None, b: BoolArray | None) -> BoolArray | None:
    """Return the mask where both hold; ``None`` is everywhere."""
    if a is None:
        return b
    if b is None:
        return a
    return a & b


def one_row(row: ArrayLike) -> NDArray[Any]:
    """Return a row as the only one of an array, (1, dimensions).

    A row of unequal parts gives an empty array, which no check of rows accepts.
    """
    try:
        return np.asarray(row)[None]
    except ValueError:
        return np.empty((0, 0), dtype=object)


def as_rows(rows: ArrayLike, dimensions: int) -> NDArray[Any]:
    """Return rows as an array; rows of unequal length give an empty one of objects."""
    try:
        array = np.asarray(rows)
    except ValueError:
        return np.empty((0, 0), dtype=object)
    # Without any code NumPy makes floats, and it does not know the number of columns.
    if not array.size and array.ndim and (not len(array) or not dimensions):
        return np.zeros((len(array), dimensions), dtype=np.int32)
    return array
