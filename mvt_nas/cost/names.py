"""The names of what is known exactly before anything is built. Kept apart, since it is needed where NumPy is not.

A name may begin with a task, ``segmentation.macs``: then it is a cost of the backbone with that task's head, at the task's resolution.
"""

from __future__ import annotations

from mvt_nas.tasks.contract import TASKS

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
