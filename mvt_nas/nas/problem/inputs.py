"""What a run goes by beside its configuration: the profiles of its devices, and the networks that were trained. Its folder keeps copies.

What is known of a handful of architectures, one by one: compiling the tables of their whole space
would take seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mvt_nas.accuracy.imagenet import imagenet_top1
from mvt_nas.accuracy.predicted import by_name
from mvt_nas.accuracy.protocol import at_protocol
from mvt_nas.cost.counts import count
from mvt_nas.cost.table import CostTable
from mvt_nas.metrics.metric import Metric
from mvt_nas.metrics.names import COST_NAMES, IMAGENET
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

_LAST: dict[tuple[str, str, int, str], Predictors] = {}
"""What was compiled last, by all that decides on it."""


@dataclass(frozen=True, slots=True)
class SearchInputs:
    """What a run goes by.

    Attributes:
        devices: on which latency is predicted, by metric.
        accuracy: by which accuracy is predicted, where it is.
        tasks: for which costs are known beside those of classification, by name.
    """

    devices: Devices = field(default_factory=dict)
    accuracy: AccuracyModel | None = None
    tasks: Mapping[str, Task] = field(default_factory=dict)

    def recorded(self) -> dict[str, Mapping[str, Any]]:
        """Return what a run's configuration says of them."""
        tasks = {
            kind: {name: value for name, value in task.to_dict().items() if name != "task"}
            for kind, task in self.tasks.items()
        }
        return {
            "devices": hashes(self.devices),
            "accuracy": self.accuracy.about() if self.accuracy else {},
            "tasks": tasks,
        }

    def known(self, space: SearchSpace, num_classes: int) -> Predictors:
        """Return all that they tell of a space; what was asked for last is not compiled again."""
        asked = (space.where, space.hash, num_classes, repr(self.recorded()))
        if asked not in _LAST:
            found = self._compiled(space, num_classes)
            _LAST.clear()  # it may take a hundred megabytes
            _LAST[asked] = found
        return _LAST[asked]

    def _compiled(self, space: SearchSpace, num_classes: int) -> Predictors:
        table = CostTable(space, num_classes=num_classes, kernel_costs=latency_costs(self.devices))
        of_tasks = {
            kind: CostTable(space, kernel_costs=latency_costs(self.devices, kind), task=task)
            for kind, task in self.tasks.items()
        }
        return Predictors(table, self.accuracy.in_space(space) if self.accuracy else None, of_tasks)


def write_inputs(folder: Path, inputs: SearchInputs) -> None:
    """Write copies into a run folder.

    Raises:
        RunError: they cannot be written.
    """
    write_devices(folder, inputs.devices)
    write_accuracy_model(folder, inputs.accuracy)


def read_inputs(folder: Path, config: RunConfig) -> SearchInputs:
    """Return what lies in a run folder.

    Raises:
        RunError: a copy is missing, damaged, or not the one that the run was started with.
    """
    devices = read_devices(folder, config.devices, config.metrics)
    tasks = {kind: task for kind in config.tasks if (task := config.task(kind)) is not None}
    return SearchInputs(devices, read_accuracy_model(folder, config.accuracy), tasks)


def predict_single(
    inputs: SearchInputs, architectures: Sequence[Architecture], num_classes: int
) -> dict[str, list[float]]:
    """Return by metric what a run's inputs tell of architectures, in their order; the same as :meth:`Inputs.known` does of a space."""
    columns: dict[str, list[float]] = {}
    for kind in (None, *inputs.tasks):
        columns |= _costs(inputs, kind, architectures, num_classes)
    if inputs.accuracy is not None:
        columns |= _accuracies(inputs.accuracy, architectures)
    return columns | {IMAGENET: [imagenet_top1(one).percent for one in architectures]}


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
    surrogate = accuracy.quality.surrogate(accuracy.table)
    found = surrogate.predict([at_protocol(one, accuracy.table) for one in architectures])
    return {name: column.tolist() for name, column in by_name(found).items()}
