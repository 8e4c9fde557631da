"""Rules and canonical codes of many rows by table look-up.

The truth tables that count a space also answer for single rows: the codes of a row give a position
in each table. All positions are one matrix product, and all answers one gather. A search needs this
for every proposal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import BoolArray, IndexArray
from mvt_nas.space.columns import Columns, Rows
from mvt_nas.space.counting import ConstraintFactor
from mvt_nas.space.plan import SpacePlan
from mvt_nas.space.validity import combinations


class _Tables:
    """Several tables over dimensions, one behind the other in a single array.

    The position of a row's entry in a table is ``offset + sum(code * weight)``, with the row-major
    strides of the table as weights, and 0 for dimensions that the table does not depend on.

    Args:
        dimensions: Number of dimensions of the space.
        factors: The tables, one axis per variable.
    """

    def __init__(self, dimensions: int, factors: Sequence[ConstraintFactor]) -> None:
        # Floats, since NumPy multiplies integer matrices without BLAS; positions are far below
        # 2**53, so they are exact.
        self._weights = np.zeros((dimensions, len(factors)))
        self._offsets = np.cumsum([0, *(factor.table.size for factor in factors)])[:-1]
        for index, factor in enumerate(factors):
            sizes = factor.table.shape
            for axis, dimension in enumerate(factor.variables):
                self._weights[dimension, index] = np.prod(sizes[axis + 1 :], dtype=np.int64)
        tables = [factor.table.ravel() for factor in factors]
        self._entries = np.concatenate(tables) if tables else np.empty(0)

    def entries(self, rows: Rows) -> NDArray[np.generic]:
        """Return the entries of rows, (n, tables)."""
        entries: NDArray[np.generic] = self._entries[self._positions(rows)]
        return entries

    def shifted_entries(
        self, rows: Rows, dimensions: Sequence[int], steps: NDArray[np.integer]
    ) -> NDArray[np.generic]:
        """Return the entries of rows with one code changed per table, (n, tables).

        Args:
            rows: Encoded rows, (n, dimensions).
            dimensions: For each table the dimension whose code is changed.
            steps: Amounts that are added to these codes, (n, tables).
        """
        weights = self._weights[list(dimensions), range(len(dimensions))].astype(np.intp)
        entries: NDArray[np.generic] = self._entries[self._positions(rows) + steps * weights]
        return entries

    def _positions(self, rows: Rows) -> IndexArray:
        positions: IndexArray = (rows @ self._weights).astype(np.intp) + self._offsets
        return positions


class RowLookup:
    """Rules and canonical codes of the rows of a space.

    Args:
        plan: Plan of the space.
        factors: Truth tables of the space (see ``validity.py``). Those with a text are rules; the
            others say which codes are canonical.
    """

    def __init__(self, plan: SpacePlan, factors: Sequence[ConstraintFactor]) -> None:
        dimensions = len(plan.dimensions)
        self._rules = _Tables(dimensions, [factor for factor in factors if factor.text])
        self._sizes = np.array(
            [len(dimension.values) for dimension in plan.dimensions], dtype=np.intp
        )
        # Dimensions whose codes are not all canonical; they have a table of canonical codes each.
        self._conditional = [index for index in range(dimensions) if not plan.always_matters(index)]
        self._codes = _Tables(
            dimensions, [_canonical_codes(plan, index) for index in self._conditional]
        )

    def obeys(self, rows: Rows) -> BoolArray:
        """Return the mask of the rows that obey all rules, (n,)."""
        allowed: BoolArray = np.logical_and.reduce(self._rules.entries(rows).astype(bool), axis=1)
        return allowed

    def canonical(self, rows: Rows) -> NDArray[np.int32]:
        """Return the canonical rows of the same architectures, (n, dimensions)."""
        result = rows.astype(np.int32)
        if self._conditional:
            result[:, self._conditional] = self._codes.entries(rows)
        return result

    def effective(self, rows: Rows) -> BoolArray:
        """Return the mask of the codes that have an effect, (n, dimensions).

        A dimension has an effect on a network if some other code of it gives another network.

        Args:
            rows: Canonical rows, (n, dimensions).
        """
        result = np.repeat(self._sizes[None] > 1, len(rows), axis=0)
        if self._conditional:
            # A canonical code above 0 has an effect. A code of 0 has one if the largest code is not
            # equivalent to it; a neighbouring code is no test, as rounding may make both equal.
            codes = rows[:, self._conditional]
            to_largest = self._sizes[self._conditional] - 1 - codes
            of_largest = self._codes.shifted_entries(rows, self._conditional, to_largest)
            result[:, self._conditional] = (codes > 0) | (of_largest != 0)
        return result


def _canonical_codes(plan: SpacePlan, index: int) -> ConstraintFactor:
    """Return the table of the canonical codes of one dimension over all that decide them."""
    variables = tuple(sorted(plan.decides(index) | {index}))
    columns = Columns(plan, combinations(plan, variables), variables)
    codes = columns.canonical_codes(index).astype(np.int32)
    sizes = [len(plan.dimensions[variable].values) for variable in variables]
    return ConstraintFactor(variables, codes.reshape(sizes), "")
