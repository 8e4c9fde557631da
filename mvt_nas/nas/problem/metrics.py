"""What a metric is: known of every architecture beforehand, or the result of an evaluation; and in which direction it is better."""

from __future__ import annotations

from typing import Literal

from mvt_nas.errors import MetricError, listing, nearest
from mvt_nas.metrics.names import (
    ACCURACY,
    ACCURACY_BEYOND,
    COST_NAMES,
    IMAGENET,
    LATENCY,
    PREDICTED,
    TRAINED,
    bare,
    is_cost,
    is_predicted,
    task_of,
)
from mvt_nas.proxies.base import PROXIES
from mvt_nas.tasks.base import TASKS

Direction = Literal["min", "max"]

NAMES = (ACCURACY, TRAINED, IMAGENET, *COST_NAMES, LATENCY)
"""The metrics that people ask for, but the proxies."""


def is_known_in_advance(metric: str) -> bool:
    """Return whether a metric is known of a whole space before anything is evaluated: costs, and what is predicted of accuracy."""
    return is_cost(metric) or is_predicted(metric) or metric == IMAGENET


def metric_direction(name: str) -> Direction:
    """Return in which direction a metric is better.

    Raises:
        MetricError: there is no metric of this name.
    """
    if (is_cost(name) and not name.endswith("@")) or name == ACCURACY_BEYOND:
        return "min"
    if task_of(name) is not None:
        costs = (*COST_NAMES, LATENCY)
        raise MetricError(
            f"unknown metric {name!r}: of a task its costs are known{nearest(bare(name), costs)}"
            f" ({listing(costs)})"
        )
    if name in (*PREDICTED, IMAGENET, TRAINED):
        return "max"
    kind, dot, rest = name.partition(".")
    if dot and is_cost(rest):
        raise MetricError(
            f"unknown metric {name!r}: {kind!r} is no task{nearest(kind, TASKS)} (tasks:"
            f" {listing(TASKS)})"
        )
    if name not in PROXIES:
        known = dict.fromkeys([*NAMES, *PROXIES])
        raise MetricError(
            f"unknown metric {name!r}{nearest(name, known)} (known: {listing(known)})"
        )
    return PROXIES.get(name).direction


def is_proxy(metric: str) -> bool:
    """Return whether a metric is a training-free score, whose values mean nothing by themselves."""
    return not is_known_in_advance(metric) and metric != TRAINED
