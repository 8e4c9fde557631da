"""All that is known of encoded architectures before any is evaluated: their costs, and what trained networks say of their accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas.accuracy.imagenet import imagenet_top1_of_rows
from mvt_nas.accuracy.predicted import PredictedAccuracy
from mvt_nas.cost.table import Costs, CostTable
from mvt_nas.metrics.names import IMAGENET, PREDICTED, bare, is_predicted, of_task, task_of
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace

_IMAGENET_CLASSES = 1000


class Predictors:
    """What is known of a space.

    Args:
        table: its costs.
        predicted: its accuracies, where trained networks predict them.
        tasks: its costs with the heads of tasks, by the task's name.

    Attributes:
        space: that of the table.
        names: of all metrics that are known.
    """

    def __init__(
        self,
        table: CostTable,
        predicted: PredictedAccuracy | None = None,
        tasks: Mapping[str, CostTable] | None = None,
    ) -> None:
        self.space: SearchSpace = table.space
        of_tasks = [
            of_task(kind, name) for kind, costs in (tasks or {}).items() for name in costs.names
        ]
        self.names = (*table.names, *of_tasks, *(PREDICTED if predicted else ()), IMAGENET)
        self._table = table
        self._tasks = dict(tasks or {})
        self._predicted = predicted
        self._imagenet_table: CostTable | None = None

    def of(self, rows: Rows) -> LazyMetrics:
        """Return what is known of rows, (n, dimensions)."""
        return LazyMetrics(self, rows)

    def costs(self, rows: Rows, task: str | None = None) -> Costs:
        """Return their costs, those of classification or of a task of the run."""
        return (self._table if task is None else self._tasks[task]).costs(rows)

    def predicted(self, rows: Rows) -> dict[str, NDArray[np.float64]]:
        """Return their predicted accuracies; only where trained networks predict them."""
        assert self._predicted is not None, "budgets and objectives name only what the run has"
        return self._predicted.of(rows)

    def imagenet(self, rows: Rows) -> NDArray[np.float64]:
        """Return their estimated top-1 accuracies on ImageNet in percent, (n,)."""
        if self._imagenet_table is None:
            own = self._table.num_classes == _IMAGENET_CLASSES
            self._imagenet_table = (
                self._table if own else CostTable(self.space, num_classes=_IMAGENET_CLASSES)
            )
        costs = self._imagenet_table.costs(rows)
        return imagenet_top1_of_rows(self.space, rows, costs.params, costs.macs)


class LazyMetrics:
    """What is known of some rows; each metric is computed when it is first asked for.

    Args:
        known: what is known of their space.
        rows: (n, dimensions).
    """

    def __init__(self, known: Predictors, rows: Rows) -> None:
        self._known = known
        self._rows = rows
        self._costs: dict[str | None, Costs] = {}
        self._found: dict[str, NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name in self._found:
            return self._found[name]
        if is_predicted(name):
            self._found |= self._known.predicted(self._rows)
        elif name == IMAGENET:
            self._found[name] = self._known.imagenet(self._rows)
        else:
            task = task_of(name)
            if task not in self._costs:
                self._costs[task] = self._known.costs(self._rows, task)
            self._found[name] = self._costs[task][bare(name)]
        return self._found[name]
