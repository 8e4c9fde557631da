"""The names of what is known exactly before anything is built. Kept apart, since it is needed where NumPy is not."""

from __future__ import annotations

COST_NAMES = ("params", "macs", "memory_mb")

LATENCY = "latency_ms"
"""A predicted latency is a cost too; its name says of which device, ``latency_ms@NAME``."""


def is_cost(metric: str) -> bool:
    """Return whether a metric is known for a whole space before anything is evaluated."""
    return metric in COST_NAMES or is_latency(metric)


def is_latency(metric: str) -> bool:
    """Return whether a metric is the predicted latency on some device, or on the default one."""
    return metric == LATENCY or metric.startswith(f"{LATENCY}@")


def device_of(metric: str) -> str | None:
    """Return what stands behind the ``@`` of a latency; ``None`` where nothing does."""
    name, at, device = metric.partition("@")
    return device if at and name == LATENCY else None
