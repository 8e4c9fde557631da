"""What people tell of their networks: how it is read, what is wrong with it, how it is measured."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from mvt_nas.errors import BaselineError, LatencyError
from mvt_nas.external_models.base import load_external_model
from mvt_nas.latency.timing.measure import LatencyMeasurement
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.latency.timing.stopwatch import Timing
from mvt_nas.nas.api import search
from mvt_nas.nas.baselines.latency import measure_baselines, unmeasured_devices
from mvt_nas.nas.baselines.specification import BaselineSpec, load_baselines, parse_baseline
from mvt_nas.nas.runs.run import Run
from mvt_nas.onnx.export import trace_to_onnx
from tests.support.device_profiles import profile
from tests.support.searches import SCORING, small_space

OWN = """
from torch import nn

def network():
    print("made")
    stem = nn.Conv2d(3, 8, 3, 2, 1)
    return nn.Sequential(stem, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
"""
PARAMS = 8 * 27 + 8 + 80 + 10


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in with a module and an ONNX file of one network."""
    (tmp_path / "own_module.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_module", raising=False)
    network = load_external_model("own_module:network", 64).network
    assert isinstance(network, nn.Module)
    trace_to_onnx(network, (1, 3, 64, 64), tmp_path / "own.onnx")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today.onnx", BaselineSpec("today.onnx")),
        (
            "today.onnx,resolution_px=224,accuracy=61.2,name=today",
            BaselineSpec("today.onnx", 224, "today", {"accuracy": 61.2}),
        ),
        ("a.b:c, name = my net , macs=3e8", BaselineSpec("a.b:c", None, "my net", {"macs": 3e8})),
        (
            "old,v2.onnx,imagenet_top1=70",
            BaselineSpec("old,v2.onnx", None, None, {"imagenet_top1": 70.0}),
        ),
        (
            "x.onnx,accuracy=0,trained_accuracy=1,log_synflow=0.5",
            BaselineSpec(
                "x.onnx", None, None, {"accuracy": 0, "trained_accuracy": 1, "log_synflow": 0.5}
            ),
        ),
        (
            "x.onnx,latency_ms@iphone12-coreml=4.1",
            BaselineSpec("x.onnx", None, None, {"latency_ms@iphone12-coreml": 4.1}),
        ),
    ],
)
def test_what_is_told_is_read(text: str, expected: BaselineSpec) -> None:
    assert parse_baseline(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"^baseline: '': no network is named; write for example today\.onnx,"),
        (
            "x.onnx,resolution_px=0",
            (
                r"^baseline: x\.onnx,resolution_px=0: resolution_px=0 is not allowed; an integer"
                r" from 1 to 4096$"
            ),
        ),
        ("x.onnx,resolution_px=2e2", r"resolution_px=2e2 is not allowed"),
        ("x.onnx,name=", r"name='' is not allowed; one line of text"),
        (
            "x.onnx,accurac=61",
            (
                r"unknown metric 'accurac'; did you mean 'accuracy'\? .*; apart from metrics,"
                r" resolution_px=, task= and name= are"
            ),
        ),
        ("x.onnx,accuracy=high", r"accuracy=high is not allowed; a number$"),
        ("x.onnx,accuracy=nan", r"accuracy=nan is not allowed; a finite number$"),
        ("x.onnx,accuracy=101", r"accuracy=101 is not allowed; percent, from 0 to 100$"),
        (
            "x.onnx,imagenet_top1=0.719",
            (
                r"^baseline: x\.onnx,imagenet_top1=0\.719: imagenet_top1=0\.719 is not allowed;"
                r" accuracies are in percent: did you mean imagenet_top1=71\.9\?$"
            ),
        ),
        ("x.onnx,trained_accuracy=.5", r"did you mean trained_accuracy=50\?$"),
        (
            "x.onnx,latency_ms@iphone12-coreml=0",
            r"latency_ms@iphone12-coreml=0 is not allowed; a number above 0$",
        ),
        ("x.onnx,log_synflow=inf", r"log_synflow=inf is not allowed; a finite number$"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(BaselineError, match=message):
        parse_baseline(text)


def test_what_is_told_is_counted_and_what_is_given_is_marked(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = load_baselines(
        ["own_module:network,resolution_px=64,imagenet_top1=61.2", "own.onnx"]
    )
    costs = {
        "params": PARAMS,
        "macs": 27 * 8 * 32 * 32 + 80,
        "memory_mb": 4 * (3 * 64 * 64 + 8 * 32 * 32) / 1e6,
    }
    assert first.baseline.scores == costs | {"imagenet_top1": 61.2}
    assert (first.baseline.given, second.baseline.given) == (("imagenet_top1",), ())
    assert second.baseline.scores == costs
    assert (first.baseline.name, second.baseline.name) == ("network", "own")
    assert first.baseline.resolution_px == second.baseline.resolution_px == 64
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (
            ["own.onnx", "own.onnx,accuracy=60"],
            r"'own' is the name of two baselines; give one another by name=",
        ),
        (
            ["own.onnx,macs=5"],
            r"^baseline: own\.onnx,macs=5: macs is not allowed here; it was counted \(221264\)$",
        ),
        (["gone.onnx"], r"^baseline: gone\.onnx: there is no such file$"),
        (["own_module:gone"], r"^baseline: own_module:gone: own_module has no function 'gone'"),
    ],
)
def test_what_does_not_fit_is_refused(texts: list[str], message: str, own: Path) -> None:
    with pytest.raises(BaselineError, match=message):
        load_baselines(texts)


class FakeMeasure:
    """Stands in for the stopwatch."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: LatencyError | None = None) -> None:
        self.asked: list[tuple[str, object, TimingSettings]] = []
        self._error = error
        monkeypatch.setattr("mvt_nas.nas.baselines.latency.measure", self)

    def __call__(
        self, networks: Sequence[tuple[str, Any]], settings: TimingSettings
    ) -> list[LatencyMeasurement]:
        if self._error:
            raise self._error
        self.asked += [(title, network, settings) for title, network in networks]
        timing = Timing(12.5, 12.0, 13.0, 13.0, 12.0, 30, 1.0, 7.5, ("a doubt",))
        return [
            LatencyMeasurement(title, "", (1, 3, 64, 64), None, timing) for title, _ in networks
        ]


def run_on(folder: Path, *profiles: Any) -> Run:
    for one in profiles:
        one.write(folder / f"{one.name}.json")
    objectives = ["macs", *(f"latency_ms@{folder}/{one.name}.json" for one in profiles)]
    return search(
        small_space(),
        objectives=objectives,
        trials=6,
        scoring=SCORING,
        num_classes=10,
        out=folder / "run",
    ).run


def test_a_baseline_is_measured_as_candidates_are(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeMeasure(monkeypatch)
    run = run_on(own, profile("here", here=True), profile("there", 1), profile("phone", 2))
    told = load_baselines(["own.onnx,latency_ms@phone=9"])[0]
    found = measure_baselines(told, run, seconds=0.25)
    ((title, network, settings),) = fake.asked
    assert (title, network) == ("own", Path("own.onnx"))
    assert (settings.runtime, settings.threads, settings.batch_size, settings.seconds) == (
        "onnxruntime",
        1,
        1,
        0.25,
    )
    assert settings.resolution_px == 64
    assert found.scores == told.baseline.scores | {"latency_ms@here": 12.5}
    assert found.scores["latency_ms@phone"] == 9
    details = found.measured["latency_ms@here"]
    assert (details["low_ms"], details["high_ms"], details["probe_ms"], details["warnings"]) == (
        12.0,
        13.0,
        7.5,
        ["a doubt"],
    )
    assert set(details["fingerprint"]) == {"device", "runtime", "packages"}
    assert (
        found.notes[-1]
        == "latency_ms@there is left out: there is not this machine; its owner may give it"
    )
    assert [
        note for note in unmeasured_devices(told, run).notes if "nothing was measured" in note
    ] == [
        "latency_ms@here is left out: nothing was measured",
        "latency_ms@there is left out: nothing was measured",
    ]


def test_a_runtime_that_takes_another_form_leaves_it_out(own: Path) -> None:
    eager = profile("eager", here=True, runtime={"name": "torch", "version": None, "threads": 1})
    run = run_on(own, eager)
    file, module = load_baselines(["own.onnx", "own_module:network,resolution_px=64"])
    assert (
        measure_baselines(file, run, seconds=0.05).notes[-1]
        == "latency_ms@eager is left out: its runtime torch takes networks in PyTorch, not ONNX"
        " files; MODULE:FUNCTION can be measured there"
    )
    found = measure_baselines(module, run, seconds=0.05)
    assert 0 < found.measured["latency_ms@eager"]["low_ms"] <= found.scores["latency_ms@eager"]


def test_both_forms_are_measured_for_real_and_what_fails_is_noted(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_on(own, profile("here", here=True))
    for told in load_baselines(["own.onnx", "own_module:network,resolution_px=64"]):
        found = measure_baselines(told, run, seconds=0.05)
        assert 0 < found.scores["latency_ms@here"] < 1000
        assert found.measured["latency_ms@here"]["fingerprint"]["runtime"]["name"] == "onnxruntime"
    FakeMeasure(monkeypatch, LatencyError("own.onnx: batch size = 2 is not allowed"))
    failed = measure_baselines(load_baselines(["own.onnx"])[0], run)
    assert (
        failed.notes[-1] == "latency_ms@here is left out: own.onnx: batch size = 2 is not allowed"
    )
    assert "latency_ms@here" not in failed.scores


def test_a_module_that_cannot_be_exported_is_noted(own: Path) -> None:
    class Stubborn(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.linalg.eigvalsh(images[0, 0] @ images[0, 0].T)

    told = load_baselines(["own_module:network,resolution_px=64"])[0]
    stubborn = replace(told, model=replace(told.model, network=Stubborn().eval()))
    note = measure_baselines(stubborn, run_on(own, profile("here", here=True)), seconds=0.05).notes[
        -1
    ]
    assert note.startswith("latency_ms@here is left out: the network cannot be exported to ONNX: ")
