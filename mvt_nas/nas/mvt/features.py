"""Features of rows for the models: their codes, and logarithms of their known costs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import FloatArray
from mvt_nas.metrics.metric import Metric
from mvt_nas.metrics.names import ACCURACY, COST_NAMES
from mvt_nas.nas.mvt.problem import OptimizationProblem
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.space.columns import Rows

_REFERENCE_ROWS = 2000
# This many standard deviations of a known metric weigh as much as the range of a dimension.
_SPREAD = 3.0


class RowFeatures:
    """Extracts features from rows of a space.

    Codes without effect are zero in a canonical row, and so are their features.

    Args:
        feasibility: Space and its known metrics.
        problem: Its known objectives become features, in addition to the costs.

    Attributes:
        groups: Index of the dimension or metric of each feature, (features,).
    """

    def __init__(self, feasibility: Feasibility, problem: OptimizationProblem) -> None:
        self._feasibility = feasibility
        self._dimensions = feasibility.space.dimensions
        self._metrics = _metric_features(feasibility, problem)
        self._center = np.zeros(len(self._metrics))
        self._scale = np.ones(len(self._metrics))
        reference = self._metric_values(feasibility.sample(_REFERENCE_ROWS, 0))
        if len(reference):
            self._center = reference.mean(axis=0)
            self._scale = np.maximum(_SPREAD * reference.std(axis=0), 1e-9)
        widths = [
            1 if self._is_scalar(number) else len(dimension.values)
            for number, dimension in enumerate(self._dimensions)
        ]
        metric_widths = [1] * len(self._metrics)
        self.groups = np.repeat(
            np.arange(len(widths) + len(self._metrics)), [*widths, *metric_widths]
        )

    def __call__(self, rows: Rows) -> FloatArray:
        """Return the features of canonical rows, (n, dimensions) to (n, features)."""
        columns = [self._encode(rows[:, number], number) for number in range(len(self._dimensions))]
        metrics = (self._metric_values(rows) - self._center) / self._scale
        return np.concatenate([*columns, metrics], axis=1)

    def _is_scalar(self, number: int) -> bool:
        """Return True if a dimension has a single feature."""
        dimension = self._dimensions[number]
        return dimension.ordinal or len(dimension.values) <= 2

    def _encode(self, codes: NDArray[np.integer], number: int) -> FloatArray:
        """Return the features of one dimension, (n, 1) or (n, values).

        An ordinal code is scaled to 0 ... 1. A categorical one is one-hot; divided by the square
        root of 2, two different values are at distance 1.
        """
        count = len(self._dimensions[number].values)
        if self._is_scalar(number):
            return np.asarray(codes[:, None] / max(count - 1, 1), dtype=float)
        return np.asarray((codes[:, None] == np.arange(count)) / np.sqrt(2), dtype=float)

    def _metric_values(self, rows: Rows) -> FloatArray:
        """Return known metrics of rows, (n, metrics); costs on a logarithmic scale."""
        values = self._feasibility.known.of(rows)
        columns = []
        for metric in self._metrics:
            column = np.asarray(values[metric.full_name], dtype=float)
            columns.append(np.log(np.maximum(column, 1e-9)) if metric.is_cost else column)
        return np.column_stack(columns) if columns else np.zeros((len(rows), 0))


def _metric_features(feasibility: Feasibility, problem: OptimizationProblem) -> list[Metric]:
    """Return the known metrics that are features: costs, objectives and predicted accuracy."""
    names = [*COST_NAMES, *(objective.name for objective in problem.objectives), ACCURACY]
    known = [
        feasibility.known.metrics[name] for name in dict.fromkeys(names) if name in problem.known
    ]
    return [metric for metric in known if metric.is_cost or metric.from_surrogate]
