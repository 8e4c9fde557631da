"""Predicted metrics of baselines: by their own kernels and size, and reasons where that fails."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mvt_nas.accuracy.imagenet.other_network import estimate_other
from mvt_nas.accuracy.imagenet.published_results import in_space_results
from mvt_nas.cost.counts import count
from mvt_nas.errors import LatencyError
from mvt_nas.latency.latency_profile import LatencyProfile
from mvt_nas.metrics.metric import Metric
from mvt_nas.nas.baselines.latency import measure_baselines, unmeasured_devices
from mvt_nas.nas.baselines.prediction import with_predictions
from mvt_nas.nas.baselines.specification import LoadedBaseline, load_baselines
from mvt_nas.nas.problem.inputs import SearchInputs
from mvt_nas.nas.runs.run import Run
from tests.support.candidates import run_with
from tests.support.device_profiles import profile

OWN = """
import torch
from torch import nn
from mvt_nas import build_model
from mvt_nas.accuracy.imagenet.published_results import in_space_results

ARCHITECTURE = next(one.architecture for one in in_space_results() if one.line == "conv")

def thousand(): return build_model(ARCHITECTURE, seed=0)
def ten(): return nn.Sequential(build_model(ARCHITECTURE, num_classes=10, seed=0), nn.Softmax(1))
def backbone(): return nn.Conv2d(3, 8, 3)
def tiny(): return nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
def pooled(): return nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(3, 8, 1))
def little(): return nn.Sequential(*[nn.Conv2d(3, 3, 9, padding=4)] * 20, nn.MaxPool2d(2))
"""
ARCHITECTURE = next(one.architecture for one in in_space_results() if one.line == "conv")
ACCURACY = {"imagenet_top1", "imagenet_top1_low", "imagenet_top1_high"}


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_sizes.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_sizes", raising=False)


def load(function: str) -> LoadedBaseline:
    side = ARCHITECTURE.resolution_px
    return load_baselines([f"own_sizes:{function},resolution_px={side}"])[0]


def run_on(*profiles: LatencyProfile) -> Run:
    metrics = ["imagenet_top1", *(one.metric for one in profiles)]
    run = run_with([dict.fromkeys(metrics, 50.0)], metrics)
    devices = {Metric.parse(one.metric): one for one in profiles}
    return replace(run, inputs=SearchInputs(devices))


def test_latency_is_that_of_its_kernels_on_every_device() -> None:
    one, many = profile("one", 1), profile("many", 2, batch_size=8)
    found = with_predictions(load("thousand"), run_on(one, many)).baseline
    for device in (one, many):
        expected = device.predictor.predict(ARCHITECTURE, batch_size=device.batch_size).ms
        assert found.scores[device.metric] == pytest.approx(expected)
    assert set(found.predicted) == ACCURACY | {one.metric, many.metric}
    assert found.notes == ()


def test_accuracy_is_that_of_its_size_with_1000_classes() -> None:
    """With 10 classes it has fewer parameters, which do not make it less accurate."""
    counts = count(ARCHITECTURE)
    expected = estimate_other(counts.params, counts.macs, ARCHITECTURE.resolution_px)
    for function in ("thousand", "ten"):
        found = with_predictions(load(function), run_on()).baseline
        assert found.scores["imagenet_top1"] == pytest.approx(expected[0])
        assert found.scores["imagenet_top1_low"] == pytest.approx(expected[1])
        assert found.scores["imagenet_top1_high"] == pytest.approx(expected[2])


def test_given_values_are_not_predicted() -> None:
    device = profile("one", 1)
    loaded = load("thousand")
    given = replace(
        loaded.baseline,
        scores={**loaded.baseline.scores, "imagenet_top1": 70.0, device.metric: 3.0},
        given=("imagenet_top1", device.metric),
    )
    found = with_predictions(replace(loaded, baseline=given), run_on(device)).baseline
    assert found == given


def test_a_run_without_the_estimate_predicts_no_accuracy() -> None:
    run = run_with([{"macs": 1.0}], ["macs"])
    assert with_predictions(load("thousand"), run).baseline.predicted == ()


@pytest.mark.parametrize(
    ("function", "note"),
    [
        ("backbone", "imagenet_top1 cannot be predicted: it does not return classes"),
        (
            "tiny",
            "imagenet_top1 cannot be predicted: no published network is like it in params (224)",
        ),
    ],
)
def test_what_has_no_predicted_accuracy_is_noted(function: str, note: str) -> None:
    found = with_predictions(load(function), run_on()).baseline
    assert (found.predicted, found.notes) == ((), (note,))


def test_kernels_that_no_latency_model_knows() -> None:
    run = run_on(profile("phone", 1))
    pooled = with_predictions(load("pooled"), run)
    note = "latency_ms@phone cannot be predicted: latency models know no kernel of"
    assert pooled.baseline.notes[-1] == f"{note} max_pool2d_with_indices"
    assert unmeasured_devices(pooled, run).notes[-1].startswith("latency_ms@phone is left out: ")
    little = with_predictions(load("little"), run).baseline
    assert little.predicted == ("latency_ms@phone",)
    assert (
        little.notes[-1]
        == "latency_ms@phone is predicted without max_pool2d_with_indices (3.0 % of the data"
        " moved), of which latency models know no kernel"
    )


def test_kernels_unlike_all_that_were_measured() -> None:
    device = profile("phone", 1)
    ranges = {"pointwise": {"macs": (0.0, 1e9)}}
    narrow = replace(device, predictor=replace(device.predictor, ranges=ranges))
    note = with_predictions(load("thousand"), run_on(narrow)).baseline.notes[-1]
    assert note.startswith("latency_ms@phone is predicted; ")
    assert "% of it are of kernels unlike all that were measured (stem, " in note


def test_a_measured_latency_replaces_a_predicted_one(monkeypatch: pytest.MonkeyPatch) -> None:
    device = profile("here", 1, here=True)
    run = run_on(device, profile("there", 2))
    loaded = with_predictions(load("little"), run)
    timing = {"low_ms": 1.0, "high_ms": 3.0, "probe_ms": None, "warnings": [], "fingerprint": {}}
    monkeypatch.setattr("mvt_nas.nas.baselines.latency._measure", lambda *_: {"ms": 2.0, **timing})
    found = measure_baselines(loaded, run)
    assert (found.scores[device.metric], found.measured) == (2.0, {device.metric: timing})
    assert found.predicted == ("latency_ms@there",)
    assert [note.split()[0] for note in found.notes] == ["imagenet_top1", "latency_ms@there"]

    def fail(*_: object) -> None:
        raise LatencyError("no such luck")

    monkeypatch.setattr("mvt_nas.nas.baselines.latency._measure", fail)
    failed = measure_baselines(loaded, run)
    assert failed.predicted == loaded.baseline.predicted
    assert failed.notes[-1] == "latency_ms@here is predicted, not measured: no such luck"
