"""Metrics: their spelling is read back exactly, and what follows from their source."""

from __future__ import annotations

import dataclasses
import pickle

import pytest

from mvt_nas.errors import MetricError
from mvt_nas.metrics.direction import Direction
from mvt_nas.metrics.metric import Metric, Source
from mvt_nas.metrics.names import (
    ACCURACY,
    ACCURACY_BEYOND,
    COST_NAMES,
    IMAGENET,
    LATENCY,
    PREDICTED,
    TRAINED,
)
from mvt_nas.nas.problem.metrics import find_metric, parse_metric
from mvt_nas.proxies.base import PROXIES

SPELLINGS = (
    *COST_NAMES,
    *PREDICTED,
    IMAGENET,
    TRAINED,
    LATENCY,
    "latency_ms@x86-onnxruntime-1t",
    "latency_ms@./my profile: 2@home.json",
    "segmentation.macs",
    "detection.latency_ms",
    "detection.latency_ms@a.b/c.json",
)


@pytest.mark.parametrize("text", SPELLINGS)
def test_a_spelling_is_read_back_exactly(text: str) -> None:
    metric = Metric.parse(text)
    assert str(metric) == metric.full_name == text
    assert parse_metric(text) == find_metric(text) == metric
    assert pickle.loads(pickle.dumps(metric)) == metric


def test_the_parts_of_a_spelling_are_fields() -> None:
    assert Metric.parse("detection.latency_ms@a.b/c.json") == Metric(
        "latency_ms", Direction.MIN, Source.PREDICTED, task="detection", device="a.b/c.json"
    )
    assert Metric.parse("macs") == Metric("macs", Direction.MIN, Source.COUNTED)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unknown metric ''"),
        ("latency_ms@", "unknown metric 'latency_ms@'; did you mean 'latency_ms'"),
        ("latency_ms@home@", "unknown metric 'latency_ms@home@'"),
        ("macs@phone", "unknown metric 'macs@phone'"),
        ("segmentation.accuracy", "of a task its costs are known"),
        ("segmentation.latency_ms@", "of a task its costs are known"),
        ("segmentaton.latency_ms@x", "'segmentaton' is no task; did you mean 'segmentation'"),
        ("log_synflow", "unknown metric 'log_synflow'"),
    ],
)
def test_a_spelling_of_no_built_in_metric_is_refused(text: str, message: str) -> None:
    assert Metric.find(text) is None
    with pytest.raises(MetricError, match=message):
        Metric.parse(text)


def test_proxies_are_metrics_with_the_direction_they_declare() -> None:
    for name in PROXIES:
        if Metric.find(name) is None:
            expected = Metric(name, Direction(PROXIES.get(name).direction), Source.PROXY)
            assert parse_metric(name) == expected
    assert find_metric("log_sinflow") is None
    with pytest.raises(MetricError, match=r"did you mean 'log_synflow'\?"):
        parse_metric("log_sinflow")


def test_counted_and_predicted_metrics_are_known_in_advance() -> None:
    names = (*COST_NAMES, *PREDICTED, IMAGENET, LATENCY, TRAINED, "log_synflow")
    known = {name for name in names if parse_metric(name).known_in_advance}
    assert known == set(names) - {TRAINED, "log_synflow"}
    assert {name for name in names if parse_metric(name).is_cost} == {*COST_NAMES, LATENCY}
    assert {name for name in names if parse_metric(name).from_surrogate} == set(PREDICTED)


def test_more_is_better_of_accuracies_and_less_of_all_else() -> None:
    names = (*COST_NAMES, *PREDICTED, IMAGENET, LATENCY, TRAINED)
    better_high = {name for name in names if Metric.parse(name).direction is Direction.MAX}
    assert better_high == {*PREDICTED, IMAGENET, TRAINED} - {ACCURACY_BEYOND}


def test_a_direction_is_its_spelling_and_has_a_sign() -> None:
    assert [str(Direction.MIN), f"{Direction.MAX}"] == ["min", "max"]
    assert [Direction("min").sign, Direction("max").sign] == [1.0, -1.0]


def test_a_cost_is_moved_to_another_task_and_a_latency_to_a_device() -> None:
    latency = Metric.parse(LATENCY)
    assert str(latency.for_task("detection").on_device("phone")) == "detection.latency_ms@phone"
    assert latency.for_task("detection").for_task(None) == latency


def test_a_metric_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Metric.parse(ACCURACY).name = "other"  # type: ignore[misc]
