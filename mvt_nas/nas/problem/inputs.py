"""The inputs of a run in addition to its configuration: profiles of devices, and trained networks.

The run folder has copies of them. They predict the metrics of a whole space, or of a few
architectures one by one, since compiling the tables of a whole space takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mvt_nas.accuracy.imagenet.estimator import imagenet_metrics, imagenet_top1
from mvt_nas.accuracy.predicted import by_name
from mvt_nas.cost.counts import count
from mvt_nas.cost.table import CostTable
from mvt_nas.metrics.metric import Metric
from mvt_nas.metrics.names import COST_NAMES
from mvt_nas.nas.problem.accuracy_model import (
    AccuracyModel,
    read_accuracy_model,
    write_accuracy_model,
)
from mvt_nas.nas.problem.device_profiles import (
    Devices,
    hashes,
    latency_costs,
    read_devices,
    write_devices,
)
from mvt_nas.nas.problem.predictors import Predictors
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.search_space import SearchSpace
from mvt_nas.tasks.base import Task

if TYPE_CHECKING:
    from mvt_nas.nas.problem.config import RunConfig


@dataclass(frozen=True, slots=True)
class SearchInputs:
    """The inputs of a run.

    Attributes:
        devices: Profiles of the devices for which latency is predicted, by metric.
        accuracy: Trained networks with which accuracy is predicted, if it is.
        tasks: Tasks with costs in addition to those of classification, by name.
    """

    devices: Devices = field(default_factory=dict)
    accuracy: AccuracyModel | None = None
    tasks: Mapping[str, Task] = field(default_factory=dict)

    def recorded(self) -> dict[str, Mapping[str, Any]]:
        """Return the entries of a run's configuration that identify the inputs."""
        tasks = {
            kind: {name: value for name, value in task.to_dict().items() if name != "task"}
            for kind, task in self.tasks.items()
        }
        return {
            "devices": hashes(self.devices),
            "accuracy": self.accuracy.about() if self.accuracy else {},
            "tasks": tasks,
        }

    def predictors(self, space: SearchSpace, num_classes: int) -> Predictors:
        """Return the predictors of all metrics that are known in advance, compiled for a space.

        Compiling a large space takes seconds and may take a hundred megabytes, so callers pass the
        result on.
        """
        table = CostTable(space, num_classes=num_classes, kernel_costs=latency_costs(self.devices))
        of_tasks = {
            kind: CostTable(space, kernel_costs=latency_costs(self.devices, kind), task=task)
            for kind, task in self.tasks.items()
        }
        return Predictors(table, self.accuracy.in_space(space) if self.accuracy else None, of_tasks)


def write_inputs(folder: Path, inputs: SearchInputs) -> None:
    """Write copies into a run folder.

    Raises:
        RunError: A copy cannot be written.
    """
    write_devices(folder, inputs.devices)
    write_accuracy_model(folder, inputs.accuracy)


def read_inputs(folder: Path, config: RunConfig) -> SearchInputs:
    """Return the inputs of a run from its folder.

    Raises:
        RunError: A copy is missing, damaged, or not the one with which the run was started.
    """
    devices = read_devices(folder, config.devices, config.metrics)
    accuracy = read_accuracy_model(folder, config.accuracy)
    tasks: dict[str, Task] = {}
    for kind in config.tasks:
        task = config.task(kind)
        if task is not None:
            tasks[kind] = task
    return SearchInputs(devices, accuracy, tasks)


def predict_single(
    inputs: SearchInputs, architectures: Sequence[Architecture], num_classes: int
) -> dict[str, list[float]]:
    """Return the metrics of architectures that are known in advance, by name, in their order.

    The values are those of :meth:`SearchInputs.predictors` for the same architectures in a space.
    """
    columns: dict[str, list[float]] = {}
    for kind in (None, *inputs.tasks):
        columns |= _costs(inputs, kind, architectures, num_classes)
    if inputs.accuracy is not None:
        columns |= _accuracies(inputs.accuracy, architectures)
    estimates = imagenet_metrics(imagenet_top1(architectures))
    return columns | {name: column.tolist() for name, column in estimates.items()}


def _costs(
    inputs: SearchInputs, kind: str | None, architectures: Sequence[Architecture], num_classes: int
) -> dict[str, list[float]]:
    task = None if kind is None else inputs.tasks[kind]
    counts = [count(one, num_classes=num_classes, task=task) for one in architectures]
    columns = {
        Metric.parse(name).for_task(kind).full_name: [float(getattr(one, name)) for one in counts]
        for name in COST_NAMES
    }
    for metric, profile in inputs.devices.items():
        if metric.task == kind:
            predict, size = profile.predictor.predict, profile.batch_size
            columns[metric.full_name] = [
                predict(one, batch_size=size, num_classes=num_classes, task=task).ms
                for one in architectures
            ]
    return columns


def _accuracies(
    accuracy: AccuracyModel, architectures: Sequence[Architecture]
) -> dict[str, list[float]]:
    found = accuracy.predict(architectures)
    return {name: column.tolist() for name, column in by_name(found).items()}
