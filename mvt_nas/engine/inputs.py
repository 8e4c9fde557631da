"""What a run goes by beside its configuration: the profiles of its devices, and the networks that were trained. Its folder keeps copies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mvt_nas.cost.table import CostTable
from mvt_nas.engine.accuracy import AccuracyTable, read_accuracy, write_accuracy
from mvt_nas.engine.devices import Devices, folds, hashes, read_devices, write_devices
from mvt_nas.engine.known import Known
from mvt_nas.space.search_space import SearchSpace
from mvt_nas.tasks.contract import Task

if TYPE_CHECKING:
    from mvt_nas.engine.config import RunConfig


_LAST: dict[tuple[str, str, int, str], Known] = {}
"""What was compiled last, by all that decides on it."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a run goes by.

    Attributes:
        devices: on which latency is predicted, by metric.
        accuracy: by which accuracy is predicted, where it is.
        tasks: for which costs are known beside those of classification, by name.
    """

    devices: Devices = field(default_factory=dict)
    accuracy: AccuracyTable | None = None
    tasks: Mapping[str, Task] = field(default_factory=dict)

    def recorded(self) -> dict[str, Mapping[str, Any]]:
        """Return what a run's configuration says of them."""
        tasks = {kind: {name: value for name, value in task.to_dict().items() if name != "task"} for kind, task in self.tasks.items()}
        return {"devices": hashes(self.devices), "accuracy": self.accuracy.about() if self.accuracy else {}, "tasks": tasks}

    def known(self, space: SearchSpace, num_classes: int) -> Known:
        """Return all that they tell of a space; what was asked for last is not compiled again."""
        asked = (space.where, space.hash, num_classes, repr(self.recorded()))
        if asked not in _LAST:
            found = self._compiled(space, num_classes)
            _LAST.clear()  # it may take a hundred megabytes
            _LAST[asked] = found
        return _LAST[asked]

    def _compiled(self, space: SearchSpace, num_classes: int) -> Known:
        table = CostTable(space, num_classes=num_classes, folds=folds(self.devices))
        of_tasks = {kind: CostTable(space, folds=folds(self.devices, kind), task=task) for kind, task in self.tasks.items()}
        return Known(table, self.accuracy.in_space(space) if self.accuracy else None, of_tasks)


def write_inputs(folder: Path, inputs: Inputs) -> None:
    """Write copies into a run folder.

    Raises:
        RunError: they cannot be written.
    """
    write_devices(folder, inputs.devices)
    write_accuracy(folder, inputs.accuracy)


def read_inputs(folder: Path, config: RunConfig) -> Inputs:
    """Return what lies in a run folder.

    Raises:
        RunError: a copy is missing, damaged, or not the one that the run was started with.
    """
    devices = read_devices(folder, config.devices, config.metrics)
    tasks = {kind: task for kind in config.tasks if (task := config.task(kind)) is not None}
    return Inputs(devices, read_accuracy(folder, config.accuracy), tasks)
