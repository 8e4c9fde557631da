"""Rules and canonical codes of many rows by table look-up.

The truth tables that count a space also answer for single rows: the codes of a row point into each
table, all pointers are one matrix product, and all answers one gather. A search asks this of every
proposal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mvt_nas.space.columns import Columns, Mask, Rows
from mvt_nas.space.counting import ConstraintFactor
from mvt_nas.space.plan import SpacePlan
from mvt_nas.space.validity import combinations


class _Tables:
    """Several tables over dimensions, side by side.

    Args:
        dimensions: how many the space has.
        factors: the tables, one axis per variable.
    """

    def __init__(self, dimensions: int, factors: Sequence[ConstraintFactor]) -> None:
        self._weights = np.zeros((dimensions, len(factors)))
        self._offsets = np.cumsum([0, *(factor.table.size for factor in factors)])[:-1]
        for index, factor in enumerate(factors):
            sizes = factor.table.shape
            self._weights[list(factor.variables), index] = [
                np.prod(sizes[axis + 1 :], dtype=np.int64) for axis in range(len(sizes))
            ]
        self._entries = (
            np.concatenate([factor.table.ravel() for factor in factors]) if factors else np.empty(0)
        )

    def of(self, rows: Rows) -> NDArray[np.generic]:
        """Return the entries to which rows point, (n, tables)."""
        entries: NDArray[np.generic] = self._entries[self._pointers(rows)]
        return entries

    def beside(
        self, rows: Rows, dimensions: Sequence[int], steps: NDArray[np.integer]
    ) -> NDArray[np.generic]:
        """Return the entries to which rows point if, for each table, the code of one dimension were larger by a step, (n, tables)."""
        own = self._weights[list(dimensions), range(len(dimensions))].astype(np.intp)
        entries: NDArray[np.generic] = self._entries[self._pointers(rows) + steps * own]
        return entries

    def _pointers(self, rows: Rows) -> NDArray[np.intp]:
        pointers: NDArray[np.intp] = (rows @ self._weights).astype(
            np.intp
        ) + self._offsets  # exact: far below 2**53
        return pointers


class RowLookup:
    """Answers for rows of a space.

    Args:
        plan: of the space.
        factors: its truth tables (see ``validity.py``); those with a text are rules, the others say
            which codes are canonical.
    """

    def __init__(self, plan: SpacePlan, factors: Sequence[ConstraintFactor]) -> None:
        self._rules = _Tables(len(plan.dimensions), [factor for factor in factors if factor.text])
        self._sizes = np.array(
            [len(dimension.values) for dimension in plan.dimensions], dtype=np.intp
        )
        self._conditional = [
            index for index in range(len(plan.dimensions)) if not plan.always_matters(index)
        ]
        self._codes = _Tables(
            len(plan.dimensions), [_canonical_codes(plan, index) for index in self._conditional]
        )

    def obeys(self, rows: Rows) -> Mask:
        """Return which rows obey all rules, (n,)."""
        allowed: Mask = np.logical_and.reduce(self._rules.of(rows).astype(bool), axis=1)
        return allowed

    def canonical(self, rows: Rows) -> NDArray[np.int32]:
        """Return the canonical rows of the same architectures, (n, dimensions)."""
        result = rows.astype(np.int32)
        if self._conditional:
            result[:, self._conditional] = self._codes.of(rows)
        return result

    def effective(self, rows: Rows) -> Mask:
        """Return of canonical rows where a dimension has an effect, (n, dimensions): where some other code is another network.

        Without one all codes are as good as the smallest, the largest too; a code beside may be no
        other where values are rounded.
        """
        result = np.repeat(self._sizes[None] > 1, len(rows), axis=0)
        if self._conditional:
            codes = rows[:, self._conditional]
            to_largest = self._sizes[self._conditional] - 1 - codes
            result[:, self._conditional] = (codes > 0) | (
                self._codes.beside(rows, self._conditional, to_largest) != 0
            )
        return result


def _canonical_codes(plan: SpacePlan, index: int) -> ConstraintFactor:
    """Return the canonical code of one dimension for each combination of what decides it."""
    variables = tuple(sorted(plan.decides(index) | {index}))
    codes = Columns(plan, combinations(plan, variables), variables).canonical_codes(index)
    return ConstraintFactor(
        variables,
        codes.astype(np.int32).reshape(
            [len(plan.dimensions[variable].values) for variable in variables]
        ),
        "",
    )
