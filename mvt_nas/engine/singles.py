"""What is known of a handful of architectures, one by one: compiling the tables of their whole space would take seconds."""

from __future__ import annotations

from collections.abc import Sequence

from mvt_nas.accuracy.imagenet import imagenet_top1
from mvt_nas.accuracy.names import IMAGENET
from mvt_nas.accuracy.predicted import by_name
from mvt_nas.accuracy.protocol import at_protocol
from mvt_nas.cost.counts import count
from mvt_nas.cost.names import COST_NAMES, of_task, task_of
from mvt_nas.engine.accuracy import AccuracyTable
from mvt_nas.engine.inputs import Inputs
from mvt_nas.space.architecture import Architecture


def known_of(inputs: Inputs, architectures: Sequence[Architecture], num_classes: int) -> dict[str, list[float]]:
    """Return by metric what a run's inputs tell of architectures, in their order; the same as :meth:`Inputs.known` does of a space."""
    columns: dict[str, list[float]] = {}
    for kind in (None, *inputs.tasks):
        columns |= _costs(inputs, kind, architectures, num_classes)
    if inputs.accuracy is not None:
        columns |= _accuracies(inputs.accuracy, architectures)
    return columns | {IMAGENET: [imagenet_top1(one).percent for one in architectures]}


def _costs(inputs: Inputs, kind: str | None, architectures: Sequence[Architecture], num_classes: int) -> dict[str, list[float]]:
    task = None if kind is None else inputs.tasks[kind]
    counts = [count(one, num_classes=num_classes, task=task) for one in architectures]
    columns = {of_task(kind, name): [float(getattr(one, name)) for one in counts] for name in COST_NAMES}
    for metric, profile in inputs.devices.items():
        if task_of(metric) == kind:
            predict, size = profile.predictor.predict, profile.batch_size
            columns[metric] = [predict(one, batch_size=size, num_classes=num_classes, task=task).ms for one in architectures]
    return columns


def _accuracies(accuracy: AccuracyTable, architectures: Sequence[Architecture]) -> dict[str, list[float]]:
    surrogate = accuracy.quality.surrogate(accuracy.table)
    found = surrogate.predict([at_protocol(one, accuracy.table) for one in architectures])
    return {name: column.tolist() for name, column in by_name(found).items()}
