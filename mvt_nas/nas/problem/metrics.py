"""The metrics of a search: the built-in ones, and the registered proxies."""

from __future__ import annotations

from mvt_nas.metrics.direction import Direction
from mvt_nas.metrics.metric import Metric, Source, unknown_metric
from mvt_nas.proxies.base import PROXIES


def parse_metric(text: str) -> Metric:
    """Return the metric with this full name.

    Raises:
        MetricError: There is no such metric.
    """
    metric = find_metric(text)
    if metric is None:
        raise unknown_metric(text, PROXIES)
    return metric


def find_metric(text: str) -> Metric | None:
    """Return the metric with this full name, ``None`` if there is none."""
    metric = Metric.find(text)
    if metric is None and text in PROXIES:
        metric = Metric(text, Direction(PROXIES.get(text).direction), Source.PROXY)
    return metric
