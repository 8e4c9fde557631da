"""The names of what is known exactly before anything is built. Kept apart, since it is needed where NumPy is not.

A name may begin with a task, ``segmentation.macs``: then it is a cost of the backbone with that
task's head, at the task's resolution.

The names of what is said of accuracy. Kept apart, since they are needed where NumPy is not.
"""

from __future__ import annotations

from collections.abc import Mapping

from mvt_nas.tasks.base import TASKS

COST_NAMES = ("params", "macs", "memory_mb")

LATENCY = "latency_ms"
"""A predicted latency is a cost too; its name says of which device, ``latency_ms@NAME``."""


def is_cost(metric: str) -> bool:
    """Return whether a metric is known for a whole space before anything is evaluated."""
    return is_latency(metric) or bare(metric) in COST_NAMES


def is_latency(metric: str) -> bool:
    """Return whether a metric is the predicted latency on some device, or on the default one."""
    name = bare(metric)
    return name == LATENCY or name.startswith(f"{LATENCY}@")


def device_of(metric: str) -> str | None:
    """Return what stands behind the ``@`` of a latency; ``None`` where nothing does."""
    name, at, device = bare(metric).partition("@")
    return device if at and name == LATENCY else None


def task_of(metric: str) -> str | None:
    """Return the task that a metric is of; ``None`` for classification, whose metrics name none."""
    kind, dot, _ = metric.partition(".")
    return kind if dot and kind.isidentifier() and kind in TASKS else None


def bare(metric: str) -> str:
    """Return a metric without its task."""
    kind = task_of(metric)
    return metric if kind is None else metric[len(kind) + 1 :]


def of_task(kind: str | None, metric: str) -> str:
    """Return what a metric is called as one of a task."""
    return metric if kind is None else f"{kind}.{metric}"


ACCURACY = "accuracy"
"""Predicted from trained networks, in percent under their protocol."""

ACCURACY_LOW = "accuracy_low"
"""Lower end of its 90 % interval."""

ACCURACY_HIGH = "accuracy_high"
"""Upper end of its 90 % interval."""

ACCURACY_BEYOND = "accuracy_beyond"
"""By which factor the network is larger or smaller than all that were trained; 1 where it is
not."""

IMAGENET = "imagenet_top1"
"""Estimated from the published models, in percent."""

TRAINED = "trained_accuracy"
"""What a short training reached, in percent."""

TRAINED_EPOCHS = "trained_epochs"
"""After how many epochs, where some are trained further than others."""

PREDICTED = (ACCURACY, ACCURACY_LOW, ACCURACY_HIGH, ACCURACY_BEYOND)
"""What the surrogate says, known before anything is trained."""


def is_predicted(metric: str) -> bool:
    """Return whether a metric comes from the surrogate."""
    return metric in PREDICTED


SLACK = 0.1
"""By which share a network may be larger or smaller than those that were trained before that is
said."""


def extrapolated(scores: Mapping[str, float]) -> bool:
    """Return whether the accuracy among some scores is an extrapolation."""
    return scores.get(ACCURACY_BEYOND, 1.0) > 1 + SLACK
