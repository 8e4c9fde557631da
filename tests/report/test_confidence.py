"""Probabilities against simulated errors, and the verdicts that follow."""

from __future__ import annotations

import numpy as np
import pytest

from mvt_nas.accuracy.imagenet.law import link, unlink
from mvt_nas.errors import MetricError
from mvt_nas.report.confidence import (
    dominates_with_confidence,
    has_interval,
    probability_better,
    verdict,
)


def imagenet(value: float, low: float, high: float) -> dict[str, float]:
    return {"imagenet_top1": value, "imagenet_top1_low": low, "imagenet_top1_high": high}


def surrogate(value: float, low: float, high: float) -> dict[str, float]:
    return {"accuracy": value, "accuracy_low": low, "accuracy_high": high}


@pytest.mark.parametrize(
    ("metric", "one", "other", "expected"),
    [
        ("macs", 1.0, 2.0, 1.0),
        ("macs", 2.0, 1.0, 0.0),
        ("latency_ms@pixel7", 3.0, 3.0, 0.5),
        ("trained_accuracy", 70.0, 69.9, 1.0),
        ("snip", 1.0, 2.0, 0.0),
        ("imagenet_top1", 70.0, 69.9, 1.0),
    ],
)
def test_values_without_an_interval_are_compared_as_they_are(
    metric: str, one: float, other: float, expected: float
) -> None:
    assert probability_better(metric, {metric: one}, {metric: other}) == expected


def test_an_interval_counts_on_the_side_of_the_other_value() -> None:
    """The other value is a half width above, and a quarter of one below: P(Z > 1.645), P(Z < 3.29).

    The ends that face away are far off on purpose.
    """
    above = probability_better("accuracy", surrogate(70, 10, 72), {"accuracy": 72})
    below = probability_better("accuracy", surrogate(70, 69, 99), {"accuracy": 68})
    assert above == pytest.approx(0.05, abs=1e-4)
    assert below == pytest.approx(0.9995, abs=1e-4)


def test_it_agrees_with_simulated_errors_of_both() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(74.0, 2.0 / 1.645, 200_000)
    other = rng.normal(73.0, 1.5 / 1.645, 200_000)
    found = probability_better("accuracy", surrogate(74, 72, 76), surrogate(73, 71.5, 74.5))
    assert found == pytest.approx(float(np.mean(one > other)), abs=0.003)


def test_the_laboratory_is_common_to_both_estimates() -> None:
    """Simulated in the scale of the law: an error of each network, and a common one of 0.08."""
    rng = np.random.default_rng(0)
    n, own, common = 400_000, 0.05, 0.08
    half = 1.645 * np.hypot(own, common)

    def scores(value: float) -> dict[str, float]:
        z = link(value)
        return imagenet(value, float(unlink(z + half)), float(unlink(z - half)))

    shift = rng.normal(0, common, n)
    first = unlink(link(75.0) + shift + rng.normal(0, own, n))
    second = unlink(link(74.5) + shift + rng.normal(0, own, n))
    both = float(np.mean(first > second))
    found = probability_better("imagenet_top1", scores(75.0), scores(74.5))
    assert found == pytest.approx(both, abs=0.01)

    # A published figure has its own laboratory, so the candidate's stays uncertain.
    given = float(np.mean(first > 74.5))
    found = probability_better("imagenet_top1", scores(75.0), {"imagenet_top1": 74.5})
    assert found == pytest.approx(given, abs=0.01)
    assert given < both - 0.03


def test_intervals_narrower_than_the_laboratory_leave_no_error() -> None:
    one, other = imagenet(75.0, 74.9, 75.1), imagenet(74.9, 74.8, 75.0)
    assert probability_better("imagenet_top1", one, other) == 1.0
    assert probability_better("imagenet_top1", one, one) == 0.5


def test_both_orders_add_up_to_one() -> None:
    one, other = imagenet(75.0, 72.5, 76.5), imagenet(73.0, 71.5, 75.5)
    there = probability_better("imagenet_top1", one, other)
    back = probability_better("imagenet_top1", other, one)
    assert 0.5 < there < 1.0
    assert there + back == pytest.approx(1.0)


def test_a_missing_value_and_an_unknown_metric() -> None:
    with pytest.raises(KeyError, match="macs"):
        probability_better("macs", {"macs": 1.0}, {})
    with pytest.raises(MetricError, match="speed"):
        probability_better("speed", {"speed": 1.0}, {"speed": 2.0})


def test_an_interval_has_two_ends() -> None:
    assert has_interval("accuracy", surrogate(70, 69, 71))
    assert not has_interval("accuracy", {"accuracy": 70.0, "accuracy_low": 69.0})
    assert not has_interval("macs", {"macs": 1.0})


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        (1.0, "better with 90 %"),
        (0.9, "better with 90 %"),
        (0.8999, "about equal"),
        (0.1001, "about equal"),
        (0.1, "worse with 90 %"),
        (0.0, "worse with 90 %"),
    ],
)
def test_verdicts(probability: float, expected: str) -> None:
    assert verdict(probability) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        # Equal accuracy without an interval, at lower cost.
        ({"imagenet_top1": 70.0, "macs": 1.0}, {"imagenet_top1": 70.0, "macs": 2.0}, True),
        # Nothing is better.
        ({"imagenet_top1": 70.0, "macs": 1.0}, {"imagenet_top1": 70.0, "macs": 1.0}, False),
        # More accurate beyond its interval.
        (imagenet(75.0, 73.0, 77.0) | {"macs": 1.0}, {"imagenet_top1": 72.0, "macs": 1.0}, True),
        # More accurate, but its interval does not show it.
        (imagenet(75.0, 73.0, 77.0) | {"macs": 1.0}, {"imagenet_top1": 74.0, "macs": 9.0}, False),
        # Equal accuracies with an interval are not known to be equal.
        (imagenet(75.0, 73.0, 77.0) | {"macs": 1.0}, {"imagenet_top1": 75.0, "macs": 9.0}, False),
        # More accurate at a higher cost.
        (imagenet(75.0, 73.0, 77.0) | {"macs": 3.0}, {"imagenet_top1": 70.0, "macs": 2.0}, False),
    ],
)
def test_dominance_follows_the_intervals(
    one: dict[str, float], other: dict[str, float], *, expected: bool
) -> None:
    assert dominates_with_confidence(["imagenet_top1", "macs"], one, other) is expected
