"""What the models see of rows: their codes, and the logarithms of what is known of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import FloatArray
from mvt_nas.metrics.names import COST_NAMES
from mvt_nas.nas.mvt.problem import OptimizationProblem
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.space.columns import Rows

_REFERENCE_ROWS = 2000
_SPREAD = 3.0  # standard deviations of a logarithm that weigh as much as a whole dimension


class RowFeatures:
    """Makes features of the rows of a space; codes without effect are zero in a canonical row, and so are their features.

    Args:
        feasibility: the space, and what is known of it.
        goals: whose known metrics are features beside the costs.

    Attributes:
        groups: (features,): to which dimension or metric each belongs.
    """

    def __init__(self, feasibility: Feasibility, goals: OptimizationProblem) -> None:
        self._feasibility = feasibility
        self._dimensions = feasibility.space.dimensions
        wanted = (
            *COST_NAMES,
            *(objective.name for objective in goals.objectives),
            *(["accuracy"] if "accuracy" in goals.known else []),
        )
        known = [
            feasibility.known.metrics[name] for name in dict.fromkeys(wanted) if name in goals.known
        ]
        self._metrics = [metric for metric in known if metric.is_cost or metric.from_surrogate]
        self._centre, self._scale = np.zeros(len(self._metrics)), np.ones(len(self._metrics))
        metrics = self._known(feasibility.sample(_REFERENCE_ROWS, 0))
        if len(metrics):
            self._centre, self._scale = (
                metrics.mean(axis=0),
                np.maximum(_SPREAD * metrics.std(axis=0), 1e-9),
            )
        widths = [
            1 if self._is_line(number) else len(dimension.values)
            for number, dimension in enumerate(self._dimensions)
        ]
        self.groups = np.repeat(
            np.arange(len(widths) + len(self._metrics)), [*widths, *[1] * len(self._metrics)]
        )

    def __call__(self, rows: Rows) -> FloatArray:
        """Return the features of canonical rows, (n, dimensions) to (n, features)."""
        columns = [self._coded(rows[:, number], number) for number in range(len(self._dimensions))]
        return np.concatenate([*columns, (self._known(rows) - self._centre) / self._scale], axis=1)

    def _is_line(self, number: int) -> bool:
        dimension = self._dimensions[number]
        return dimension.ordinal or len(dimension.values) <= 2

    def _coded(self, codes: NDArray[np.integer], number: int) -> FloatArray:
        """Return the columns of one dimension: its code from 0 to 1, or one column for each value, equally far from each other."""
        count = len(self._dimensions[number].values)
        if self._is_line(number):
            return np.asarray(codes[:, None] / max(count - 1, 1), dtype=float)
        return np.asarray((codes[:, None] == np.arange(count)) / np.sqrt(2), dtype=float)

    def _known(self, rows: Rows) -> FloatArray:
        values = self._feasibility.known.of(rows)
        columns = []
        for metric in self._metrics:
            column = np.asarray(values[metric.full_name], dtype=float)
            columns.append(np.log(np.maximum(column, 1e-9)) if metric.is_cost else column)
        return np.column_stack(columns) if columns else np.zeros((len(rows), 0))
