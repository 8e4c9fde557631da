"""How sure it is that one network is better than another one, from the intervals of their scores.

Predicted accuracies come with a 90 % interval. Two of them are compared by a normal approximation
of their errors, which are taken as independent, apart from what all candidates of a run share: the
laboratory that trains them. It shifts all of them alike, so it decides no comparison. Metrics
without an interval, such as costs, are compared as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Literal

from mvt_nas.accuracy.imagenet.constants import shipped_constants
from mvt_nas.accuracy.imagenet.law import link_slope
from mvt_nas.metrics.binomial import Z_90
from mvt_nas.metrics.direction import Direction
from mvt_nas.metrics.names import IMAGENET, INTERVALS, extrapolated
from mvt_nas.nas.problem.metrics import parse_metric

Verdict = Literal["better with 90 %", "about equal", "worse with 90 %"]

BETTER: Verdict = "better with 90 %"
ABOUT_EQUAL: Verdict = "about equal"
WORSE: Verdict = "worse with 90 %"

_SURE = 0.9


def probability_better(
    metric_name: str, one: Mapping[str, float], other: Mapping[str, float]
) -> float:
    """Return the probability, 0 to 1, that one network is better than another one in a metric.

    Of an interval, the half on the side of the other value counts. A value without an interval has
    no error, so without any interval the result is 1, 0, or 0.5 where both values are equal. Where
    both have an interval of the estimated ImageNet accuracy, the variance of the laboratory is
    taken out of both: 0.08 in the scale of the law (:data:`mvt_nas.accuracy.imagenet.model.Prior`).

    Args:
        metric_name: Full name of the metric, in its own unit; accuracies are in percent.
        one: Scores of the first network, by full name, with the ends of its interval if it has one.
        other: Scores of the second network.

    Raises:
        KeyError: One of the networks has no value of the metric.
        MetricError: There is no such metric.
    """
    first, second = one[metric_name], other[metric_name]
    variances = [
        _variance(metric_name, scores, towards)
        for scores, towards in ((one, second), (other, first))
    ]
    if all(variances) and metric_name == IMAGENET:
        variances = [
            max(variance - _laboratory_sd(scores[metric_name]) ** 2, 0.0)
            for variance, scores in zip(variances, (one, other), strict=True)
        ]
    rises = parse_metric(metric_name).direction is Direction.MAX
    gain = first - second if rises else second - first
    sd = math.sqrt(sum(variances))
    if gain == 0 or sd == 0:
        return 0.5 + 0.5 * ((gain > 0) - (gain < 0))
    return NormalDist().cdf(gain / sd)


def verdict(probability: float) -> Verdict:
    """Return what a probability that a network is better amounts to: from 0.9, or up to 0.1."""
    if probability >= _SURE:
        return BETTER
    # Rounded, since 1 - 0.9 is a little less than 0.1.
    return WORSE if probability <= round(1 - _SURE, 9) else ABOUT_EQUAL


def has_interval(metric_name: str, scores: Mapping[str, float]) -> bool:
    """Return True if a value among some scores has both ends of its 90 % interval."""
    return metric_name in INTERVALS and all(end in scores for end in INTERVALS[metric_name])


def dominates_with_confidence(
    metric_names: Sequence[str], one: Mapping[str, float], other: Mapping[str, float]
) -> bool:
    """Return True if a network is better in some metric, worse in none, and the intervals show it.

    In a metric with an interval it has to be better with 90 %; in the others it may be equal.

    Args:
        metric_names: Full names of metrics, of which both networks have values.
        one: Scores of the network.
        other: Scores of the network that it may dominate.

    Raises:
        KeyError: One of the networks has no value of a metric.
        MetricError: There is no such metric.
    """
    strictly = False
    for name in metric_names:
        probability = probability_better(name, one, other)
        uncertain = has_interval(name, one) or has_interval(name, other)
        if probability < (_SURE if uncertain else 0.5):
            return False
        strictly = strictly or probability > 0.5
    return strictly


def intervals_confirm(
    metric_names: Sequence[str], one: Mapping[str, float], other: Mapping[str, float]
) -> bool:
    """Return True if the intervals confirm that a network dominates another one.

    They confirm nothing where an accuracy is an extrapolation. Without any interval the values
    stand as they are.

    Args:
        metric_names: Full names of the metrics by whose values it dominates.
        one: Scores of the network.
        other: Scores of the network that it dominates.

    Raises:
        KeyError: One of the networks has no value of a metric.
        MetricError: There is no such metric.
    """
    if any(extrapolated(scores, name) for scores in (one, other) for name in metric_names):
        return False
    uncertain = [
        name for name in metric_names if has_interval(name, one) or has_interval(name, other)
    ]
    return not uncertain or dominates_with_confidence(uncertain, one, other)


def _variance(metric_name: str, scores: Mapping[str, float], towards: float) -> float:
    """Return the variance of a value on the side of another one; 0 without an interval."""
    if not has_interval(metric_name, scores):
        return 0.0
    value = scores[metric_name]
    low, high = INTERVALS[metric_name]
    half = scores[high] - value if towards > value else value - scores[low]
    return (max(half, 0.0) / Z_90) ** 2


def _laboratory_sd(percent: float) -> float:
    """Return the standard deviation of the laboratory, in percentage points."""
    return float(shipped_constants().prior.laboratory / link_slope(percent))
