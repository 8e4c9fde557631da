"""A metric as a value: parsed once from its spelling, then passed around.

The spelling is ``[TASK.]NAME[@DEVICE]``. A task in front makes it a cost of the backbone with the
head of that task, at the task's resolution; a device belongs to the predicted latency only. Proxies
are not known here, because they register in a higher layer; see
:func:`mvt_nas.nas.problem.metrics.parse_metric`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from mvt_nas.errors import MetricError, listing, nearest
from mvt_nas.metrics.direction import Direction
from mvt_nas.metrics.names import (
    ACCURACY,
    ACCURACY_BEYOND,
    ACCURACY_HIGH,
    ACCURACY_LOW,
    COST_NAMES,
    ESTIMATED,
    IMAGENET,
    IMAGENET_HIGH,
    IMAGENET_IN_DOMAIN,
    IMAGENET_LOW,
    LATENCY,
    PREDICTED,
    TRAINED,
)
from mvt_nas.tasks.base import TASKS


class Source(Enum):
    """Origin of the values of a metric."""

    COUNTED = "counted"
    """Counted exactly from the layers of an architecture."""

    PREDICTED = "predicted"
    """Predicted by a fitted model, before anything is evaluated."""

    TRAINED = "trained"
    """Result of a short training."""

    PROXY = "proxy"
    """Training-free score of a network with random weights."""

    EXTERNAL = "external"
    """Evaluated by the caller, in an Optuna study of its own."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of architectures.

    Attributes:
        name: Name without task and device, such as ``"latency_ms"``.
        direction: Direction in which its values improve.
        source: Origin of its values.
        task: Task whose head is part of the cost; ``None`` for classification, and for metrics
            that are no costs.
        device: Name of the device of a predicted latency; ``None`` for the default device, and for
            metrics that are no latencies.
    """

    name: str
    direction: Direction
    source: Source
    task: str | None = None
    device: str | None = None

    def __str__(self) -> str:
        return self.full_name

    @property
    def full_name(self) -> str:
        """Spelling on the command line and in files, and key of its values in scores."""
        device = "" if self.device is None else f"@{self.device}"
        task = "" if self.task is None else f"{self.task}."
        return f"{task}{self.name}{device}"

    @property
    def known_in_advance(self) -> bool:
        """Whether it is known for a whole space before anything is evaluated."""
        return self.source in (Source.COUNTED, Source.PREDICTED)

    @property
    def is_latency(self) -> bool:
        """Whether it is the predicted latency on some device."""
        return self.name == LATENCY

    @property
    def is_cost(self) -> bool:
        """Whether it is a cost of an architecture: counted, or a predicted latency."""
        return self.source is Source.COUNTED or self.is_latency

    @property
    def from_surrogate(self) -> bool:
        """Whether the accuracy surrogate predicts it."""
        return self.name in PREDICTED

    @property
    def from_imagenet(self) -> bool:
        """Whether it belongs to the estimate of ImageNet accuracy."""
        return self.name in ESTIMATED

    def for_task(self, task: str | None) -> Metric:
        """Return the same cost with the head of a task; ``None`` stands for classification."""
        return replace(self, task=task)

    def on_device(self, device: str | None) -> Metric:
        """Return the same latency on a device; ``None`` stands for the default device."""
        return replace(self, device=device)

    @staticmethod
    def find(text: str) -> Metric | None:
        """Return the built-in metric with this full name, ``None`` if there is none."""
        return _classification_metric(text) or _task_cost(text)

    @staticmethod
    def parse(text: str) -> Metric:
        """Return the built-in metric with this full name.

        Raises:
            MetricError: There is no such metric.
        """
        metric = Metric.find(text)
        if metric is None:
            raise unknown_metric(text)
        return metric


_BUILT_IN = (
    Metric(ACCURACY, Direction.MAX, Source.PREDICTED),
    Metric(TRAINED, Direction.MAX, Source.TRAINED),
    Metric(IMAGENET, Direction.MAX, Source.PREDICTED),
    *(Metric(name, Direction.MIN, Source.COUNTED) for name in COST_NAMES),
    Metric(LATENCY, Direction.MIN, Source.PREDICTED),
)
"""Metrics that messages list, in that order."""

_INTERVAL = (
    Metric(ACCURACY_LOW, Direction.MAX, Source.PREDICTED),
    Metric(ACCURACY_HIGH, Direction.MAX, Source.PREDICTED),
    Metric(ACCURACY_BEYOND, Direction.MIN, Source.PREDICTED),
    Metric(IMAGENET_LOW, Direction.MAX, Source.PREDICTED),
    Metric(IMAGENET_HIGH, Direction.MAX, Source.PREDICTED),
    Metric(IMAGENET_IN_DOMAIN, Direction.MAX, Source.PREDICTED),
)

_BY_NAME = {metric.name: metric for metric in (*_BUILT_IN, *_INTERVAL)}


def _classification_metric(text: str) -> Metric | None:
    """Return the metric that a spelling without a task names, ``None`` if there is none."""
    name, at, device = text.partition("@")
    metric = _BY_NAME.get(name)
    if metric is None or not at:
        return metric
    # A device may be the path of a profile, in which an ``@`` is fine anywhere but at the end.
    is_device = bool(device) and not device.endswith("@")
    return metric.on_device(device) if metric.is_latency and is_device else None


def _task_cost(text: str) -> Metric | None:
    """Return the cost that a spelling with a task names, ``None`` if there is none."""
    task, _, rest = text.partition(".")
    if not _is_task(task):
        return None
    metric = _classification_metric(rest)
    return metric.for_task(task) if metric is not None and metric.is_cost else None


def _is_task(text: str) -> bool:
    # Only an identifier can be one; others need no search among the modules of tasks.
    return text.isidentifier() and text in TASKS


def unknown_metric(text: str, others: Iterable[str] = ()) -> MetricError:
    """Return the error for a spelling that names no metric.

    Args:
        text: The spelling.
        others: Names of further metrics that are allowed.
    """
    prefix, dot, rest = text.partition(".")
    costs = (*COST_NAMES, LATENCY)
    if dot and _is_task(prefix):
        return MetricError(
            f"unknown metric {text!r}: of a task its costs are known{nearest(rest, costs)}"
            f" ({listing(costs)})"
        )
    cost = _classification_metric(rest)
    if cost is not None and cost.is_cost:
        return MetricError(
            f"unknown metric {text!r}: {prefix!r} is no task{nearest(prefix, TASKS)} (tasks:"
            f" {listing(TASKS)})"
        )
    known = dict.fromkeys([*(metric.name for metric in _BUILT_IN), *others])
    return MetricError(f"unknown metric {text!r}{nearest(text, known)} (known: {listing(known)})")
