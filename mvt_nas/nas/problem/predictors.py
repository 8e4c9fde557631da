"""Metrics of encoded architectures that are known before any of them is evaluated.

These are their costs, the accuracy that trained networks predict, and the ImageNet accuracy
estimated from published networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from mvt_nas._typing import FloatArray
from mvt_nas.accuracy.imagenet.estimator import default_estimator, imagenet_metrics
from mvt_nas.accuracy.predicted import PredictedAccuracy
from mvt_nas.cost.table import Costs, CostTable
from mvt_nas.metrics.metric import Metric
from mvt_nas.metrics.names import ESTIMATED, PREDICTED
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace

_IMAGENET_CLASSES = 1000


class Predictors:
    """Everything that predicts metrics of the architectures of a space.

    Args:
        table: Costs of the space for classification.
        predicted: Predicted accuracy, if trained networks predict it.
        tasks: Costs of the space with the heads of tasks, by the name of the task.

    Attributes:
        space: The space of the table.
        metrics: All metrics that are known, by full name.
    """

    def __init__(
        self,
        table: CostTable,
        predicted: PredictedAccuracy | None = None,
        tasks: Mapping[str, CostTable] | None = None,
    ) -> None:
        self.space: SearchSpace = table.space
        self._tables: dict[str | None, CostTable] = {None: table}
        self._tables.update(tasks or {})
        self._predicted = predicted
        self._imagenet_table: CostTable | None = None
        accuracies = (*(PREDICTED if predicted else ()), *ESTIMATED)
        known = [
            Metric.parse(name).for_task(task)
            for task, costs in self._tables.items()
            for name in costs.names
        ]
        known += [Metric.parse(name) for name in accuracies]
        self.metrics = {metric.full_name: metric for metric in known}

    @property
    def names(self) -> tuple[str, ...]:
        """Full names of all metrics that are known."""
        return tuple(self.metrics)

    def of(self, rows: Rows) -> LazyMetrics:
        """Return the metrics of rows (n, dimensions)."""
        return LazyMetrics(self, rows)

    def costs(self, rows: Rows, task: str | None = None) -> Costs:
        """Return the costs of rows, for classification or with the head of a task of the run."""
        return self._tables[task].costs(rows)

    def predicted(self, rows: Rows) -> dict[str, FloatArray]:
        """Return the predicted accuracies of rows, which only a space with a surrogate has."""
        assert self._predicted is not None, "budgets and objectives name only what the run has"
        return self._predicted.of(rows)

    def imagenet(self, rows: Rows) -> dict[str, FloatArray]:
        """Return the estimates of ImageNet accuracy of rows by metric, (n,) each."""
        if self._imagenet_table is None:
            table = self._tables[None]
            if table.num_classes != _IMAGENET_CLASSES:
                table = CostTable(self.space, num_classes=_IMAGENET_CLASSES)
            self._imagenet_table = table
        costs = self._imagenet_table.costs(rows)
        estimates = default_estimator().of_rows(self.space, rows, costs)
        return imagenet_metrics(estimates)


class LazyMetrics:
    """Metrics of some rows by full name; each is computed when it is first needed.

    Args:
        predictors: The predictors of their space.
        rows: Encoded architectures, (n, dimensions).
    """

    def __init__(self, predictors: Predictors, rows: Rows) -> None:
        self._predictors = predictors
        self._rows = rows
        self._costs: dict[str | None, Costs] = {}
        self._values: dict[str, NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return the values (n,) of the metric with this full name."""
        if name not in self._values:
            metric = self._predictors.metrics[name]
            if metric.from_surrogate:
                # The surrogate predicts the accuracy and its interval together.
                self._values |= self._predictors.predicted(self._rows)
            elif metric.is_cost:
                self._values[name] = self._cost(metric)
            else:
                self._values |= self._predictors.imagenet(self._rows)
        return self._values[name]

    def _cost(self, metric: Metric) -> NDArray[Any]:
        if metric.task not in self._costs:
            self._costs[metric.task] = self._predictors.costs(self._rows, metric.task)
        # A cost table belongs to one task, so its columns bear no task in their names.
        return self._costs[metric.task][metric.for_task(None).full_name]
