"""Comparison of a baseline with a front, also with latencies measured at other machine speeds."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mvt_nas.cli.baselines import add_baselines
from mvt_nas.errors import RunError
from mvt_nas.metrics.metric import Metric
from mvt_nas.nas.api import search
from mvt_nas.nas.baselines.specification import load_baselines
from mvt_nas.nas.problem.inputs import SearchInputs
from mvt_nas.nas.problem.objectives import Objective
from mvt_nas.nas.runs.baseline import Baseline, write_baselines
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.folder import locked
from mvt_nas.nas.runs.latency_records import LatencyRecord
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.baseline_comparison import (
    BaselineComparison,
    compare_baseline,
    comparison_summary,
    format_baseline_value,
    origin_of,
    shown_metrics,
)
from mvt_nas.report.formatting import format_number
from mvt_nas.report.insights import DominatedModel
from tests.support.candidates import run_of_points, run_with
from tests.support.device_profiles import profile
from tests.support.searches import SCORING, small_space

POINTS = [(50.0, 50.0), (60.0, 60.0), (70.0, 90.0), (40.0, 95.0)]
METRIC = "latency_ms@here"


def stands(**scores: float) -> BaselineComparison:
    return compare_baseline(run_of_points(POINTS), Baseline("mine", "x", 64, scores))


def test_who_dominates_and_by_how_much() -> None:
    """Candidates are ordered by the smallest gain, relative to the ranges of the front.

    The ranges are 30 for accuracy and 45 for MACs: candidate 0 gains 0.17 and 0.44 of them,
    candidate 1 gains 0.5 and 0.22, whose smaller one is larger.
    """
    found = stands(trained_accuracy=45.0, macs=70.0)
    assert (found.dominated_by, found.dominates, found.on_front) == ((1, 0), (), False)
    assert found.beaten == DominatedModel("mine", 1, {"trained_accuracy": 15.0, "macs": 10.0})
    assert (
        comparison_summary(run_of_points(POINTS), found)
        == "2 of the 3 on the front dominate it, candidate 1 most evenly. Should you switch? yes:"
        " candidate 1 is better (60.0 against 45.0) at 0.86 times its macs"
    )


def test_a_baseline_on_the_front() -> None:
    found = stands(trained_accuracy=65.0, macs=55.0)
    assert (found.dominated_by, found.dominates, found.on_front, found.beaten) == (
        (),
        (1,),
        True,
        None,
    )
    expected = (
        "none of the 3 on the front dominates it: it would be on the front, and dominates 1 of"
        " them. Should you switch? no: no candidate within its macs is better"
    )
    assert comparison_summary(run_of_points(POINTS), found) == expected
    equal = stands(trained_accuracy=60.0, macs=60.0)
    assert (equal.dominated_by, equal.dominates, equal.on_front) == ((), (), True)


def test_what_is_not_known_is_not_compared() -> None:
    found = stands(macs=55.0)
    assert (found.compared, found.unknown, found.dominated_by, found.on_front) == (
        ("macs",),
        ("trained_accuracy",),
        (0,),
        False,
    )
    alone = "by macs alone (its trained_accuracy is not known)"
    question = "Should you switch? not known: its trained_accuracy is neither given nor predicted"
    assert (
        comparison_summary(run_of_points(POINTS), found)
        == f"1 of the 3 on the front dominates it {alone}, candidate 0 most evenly. {question}"
    )
    assert (
        comparison_summary(run_of_points(POINTS), stands(macs=45.0))
        == f"none of the 3 on the front dominates it {alone}. {question}"
    )
    assert (
        comparison_summary(run_of_points(POINTS), stands(params=1.0))
        == f"nothing to compare: its trained_accuracy and macs are not known. {question}"
    )
    assert comparison_summary(run_of_points([]), stands(macs=1.0)) == "the front is empty"


def run_with_latencies(
    predicted: list[float], measured: dict[int, tuple[float, float]], probe_ms: float | None = None
) -> Run:
    """Return a run whose accuracies rise with latency.

    ``measured`` gives the latency of some candidates and that of the reference model with it.
    """
    run = run_of_points([(float(number), 1.0) for number in range(len(predicted))])
    candidates: dict[int, Candidate] = {
        number: replace(one, scores={**one.scores, METRIC: predicted[number]})
        for number, one in run.candidates.items()
    }
    objectives = (Objective.parse("trained_accuracy:max"), Objective.parse(METRIC))
    found = {
        str(n): LatencyRecord(str(n), METRIC, ms, ms, ms, predicted[n], probe)
        for n, (ms, probe) in measured.items()
    }
    inputs = SearchInputs({Metric.parse(METRIC): profile("here", reference_ms=probe_ms)})
    return replace(
        run,
        candidates=candidates,
        config=replace(run.config, objectives=objectives),
        measured={METRIC: found},
        inputs=inputs,
    )


@pytest.mark.parametrize(
    ("measured", "profiled", "dominated_by"),
    [
        ({}, None, (2, 1)),  # predictions as they are: 20, 30
        (
            {1: (25.0, 8.0)},
            None,
            (1,),
        ),  # 25 in the same state; the others at 1.25 of their predictions: 37.5
        ({1: (25.0, 4.0)}, None, ()),  # the machine is twice as slow now: 50
        ({1: (50.0, 16.0), 2: (50.0, 16.0)}, None, (2, 1)),  # it is twice as fast now: 25, 25
        ({}, 4.0, ()),  # twice as slow as when it was profiled: 40, 60
        ({}, 16.0, (2, 1)),
    ],
)
def test_measured_latency_is_compared_in_one_state_of_the_machine(
    measured: dict[int, tuple[float, float]], profiled: float | None, dominated_by: tuple[int, ...]
) -> None:
    run = run_with_latencies([10.0, 20.0, 30.0], measured, profiled)
    timing: dict[str, Any] = {
        "low_ms": 31.0,
        "high_ms": 33.0,
        "probe_ms": 8.0,
        "warnings": [],
        "fingerprint": {},
    }
    mine = Baseline(
        "mine", "x", 64, {"trained_accuracy": 0.5, METRIC: 32.0}, measured={METRIC: timing}
    )
    assert compare_baseline(run, mine).dominated_by == dominated_by
    given = Baseline("mine", "x", 64, {"trained_accuracy": 0.5, METRIC: 32.0}, (METRIC,))
    assert compare_baseline(run, given).dominated_by == (2, 1)


def estimated(value: float, half: float, **others: float) -> dict[str, float]:
    ends = {"imagenet_top1_low": value - half, "imagenet_top1_high": value + half}
    return {"imagenet_top1": value, "imagenet_top1_in_domain": 1.0, **ends, **others}


def test_dominance_follows_the_intervals() -> None:
    """Candidate 1 is better beyond its interval of 2 points, 0 is not, and 2 extrapolates."""
    scores = [
        estimated(71.0, 2.0, macs=10.0),
        estimated(74.0, 2.0, macs=20.0),
        estimated(78.0, 2.0, macs=30.0, imagenet_top1_in_domain=0.0),
        estimated(79.0, 2.0, macs=90.0),
    ]
    run = run_with(scores, ["imagenet_top1", "macs"])
    found = compare_baseline(run, Baseline("mine", "x", 64, {"imagenet_top1": 70.0, "macs": 40.0}))
    assert (found.dominated_by, found.estimated_by, found.on_front) == ((1,), (2, 0), False)
    assert found.beaten == DominatedModel("mine", 1, {"imagenet_top1": 4.0, "macs": 20.0})

    found = compare_baseline(run, Baseline("mine", "x", 64, {"imagenet_top1": 70.0, "macs": 10.0}))
    assert (found.dominated_by, found.estimated_by, found.on_front) == ((), (0,), False)
    assert comparison_summary(run, found).startswith(
        "none of the 4 on the front dominates it with 90 %, 1 does by the estimates alone. "
    )

    strong = Baseline("mine", "x", 64, {"imagenet_top1": 78.5, "macs": 5.0})
    found = compare_baseline(run, strong)
    assert (found.dominates, found.on_front) == ((1, 0), True)


def test_a_baseline_with_an_interval_of_its_own() -> None:
    """4 points are 90 % of neither interval alone, but of narrow ones."""
    run = run_with([estimated(74.0, 2.0, macs=20.0)], ["imagenet_top1", "macs"])
    for half, dominated_by in ((6.0, ()), (2.0, (0,))):
        scores = estimated(70.0, half, macs=20.0)
        assert compare_baseline(run, Baseline("mine", "x", 64, scores)).dominated_by == dominated_by


def test_values_say_where_they_come_from() -> None:
    scores = {"macs": 5.0, "params": 3.0, "latency_ms@here": 2.0, "latency_ms@there": 4.0}
    ends = ("imagenet_top1_low", "imagenet_top1_high")
    baseline = Baseline(
        "mine",
        "x",
        64,
        scores | {"imagenet_top1": 71.5, ends[0]: 65.0, ends[1]: 76.5},
        ("params",),
        (),
        {"latency_ms@here": {}},
        ("latency_ms@there", "imagenet_top1", *ends),
    )
    assert {name: origin_of(baseline, name) for name in baseline.scores} == {
        "macs": "counted",
        "params": "given",
        "latency_ms@here": "measured",
        **dict.fromkeys(baseline.predicted, "predicted"),
    }
    assert shown_metrics(baseline) == [*scores, "imagenet_top1"]
    values = [
        format_baseline_value(baseline, name, format_number) for name in shown_metrics(baseline)
    ]
    assert values == [
        "5",
        "3 (given)",
        "2 (measured)",
        "4 (predicted)",
        "71.5 (predicted, 65 to 76.5)",
    ]
    assert format_baseline_value(baseline, "memory_mb", format_number) == ""


OWN = "from torch import nn\n\ndef network():\n    return nn.Conv2d(3, 8, 1)\n"


def test_ctrl_c_while_measuring_keeps_what_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_conv.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    profile("here", here=True).write(tmp_path / "here.json")
    run = search(
        small_space(),
        objectives=["macs", "latency_ms@here.json"],
        trials=3,
        scoring=SCORING,
        out="r",
    ).run
    told = load_baselines(["own_conv:network,resolution_px=32"])

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mvt_nas.nas.baselines.latency.measure", interrupt)
    kept, interrupted = add_baselines(run, told, seconds=1.0)
    assert interrupted
    assert kept.baselines == Run.load("r").baselines
    assert kept.baselines[0].predicted == (METRIC,)
    assert kept.baselines[0].scores[METRIC] > 0
    assert kept.baselines[0].notes == ()
    with locked(run.folder), pytest.raises(RunError, match="in use by another search"):
        add_baselines(run, told, seconds=None)


def test_baselines_load_neither_torch_nor_onnx(tmp_path: Path) -> None:
    run = search(small_space(), objectives=["macs", "params"], trials=4, out=tmp_path / "r").run
    write_baselines(run.folder, [Baseline("mine", "own:network", 64, {"macs": 1.0, "params": 1.0})])
    code = f"""
import sys
from mvt_nas.cli.main import main
try:
    main(["pareto", {str(run.folder)!r}])
except SystemExit as stop:
    assert not stop.code
print(*sorted({{"torch", "onnx", "onnxruntime"}} & set(sys.modules)))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    *_, line, loaded = result.stdout.splitlines()
    assert line.startswith("mine (own:network, 64 px): macs 1, params 1; ")
    assert loaded == ""
