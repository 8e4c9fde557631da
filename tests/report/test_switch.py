"""Should you switch? The answer, and that it never advises a network that is predicted worse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mvt_nas.cli.baselines import add_baselines, baselines_document
from mvt_nas.nas.api import search
from mvt_nas.nas.baselines.specification import load_baselines
from mvt_nas.nas.runs.baseline import Baseline
from mvt_nas.report.baseline_comparison import compare_baselines
from mvt_nas.report.markdown import report
from mvt_nas.report.switch import Switch, should_switch
from tests.support.candidates import run_with

OBJECTIVES = ["imagenet_top1", "latency_ms@phone", "params"]


def scores(
    top1: float, ms: float, params: float, *, half: float = 2.0, in_domain: float = 1.0
) -> dict[str, float]:
    return {
        "imagenet_top1": top1,
        "imagenet_top1_low": top1 - half,
        "imagenet_top1_high": top1 + half,
        "imagenet_top1_in_domain": in_domain,
        "latency_ms@phone": ms,
        "params": params,
    }


def answer(candidates: list[dict[str, float]], **baseline: float) -> Switch:
    known = {name.replace("ms_phone", "ms@phone"): value for name, value in baseline.items()}
    return should_switch(run_with(candidates, OBJECTIVES), Baseline("mine", "x", 64, known))


def test_yes_names_the_candidate_its_confidence_and_its_costs() -> None:
    """Of candidates 0 and 1, which are both better, 0 gains most evenly.

    2 is better but slower, 3 is faster but its interval does not show that it is better.
    """
    found = answer(
        [scores(78.3, 8.0, 2e6), scores(79.0, 9.9, 3e6), scores(81, 20, 4e6), scores(72.5, 2, 1e6)],
        imagenet_top1=71.9,
        latency_ms_phone=10.0,
        params=4e6,
    )
    reason = (
        "candidate 0 is better with 90 % (78.3 against 71.9) at 0.8 times its latency_ms@phone and"
        " 0.5 times its params"
    )
    assert found == Switch("yes", reason, 0)
    assert str(found) == f"yes: {reason}"


def test_no_names_the_closest_that_is_not_predicted_to_be_worse() -> None:
    """P(Z < 0.6 / (2 / 1.645)) is 69 %."""
    baseline = {"imagenet_top1": 71.9, "latency_ms_phone": 10.0, "params": 4e6}
    within = "no candidate within its latency_ms@phone and params is better with 90 %"
    found = answer([scores(72.5, 5.0, 2e6), scores(71.0, 2.0, 1e6)], **baseline)
    closest = (
        "candidate 0, better with 69 % (72.5 against 71.9) at 0.5 times its latency_ms@phone and"
        " 0.5 times its params"
    )
    assert found == Switch("no", f"{within}; closest: {closest}")
    assert answer([scores(71.0, 5.0, 2e6)], **baseline) == Switch("no", within)
    outside = "no candidate on the front is within its latency_ms@phone and params"
    assert answer([scores(80.0, 10.1, 2e6)], **baseline) == Switch("no", outside)
    assert answer([], **baseline) == Switch("no", outside)


def test_an_extrapolation_is_no_reason_to_switch() -> None:
    found = answer(
        [scores(80.0, 5.0, 2e6, in_domain=0.0)],
        imagenet_top1=71.9,
        latency_ms_phone=10.0,
        params=4e6,
    )
    assert (found.answer, found.candidate) == ("no", None)


def test_what_is_not_known_is_said() -> None:
    candidates = [scores(78.3, 8.0, 2e6)]
    assert answer(candidates, params=4e6, latency_ms_phone=9.0) == Switch(
        "not known", "its imagenet_top1 is neither given nor predicted"
    )
    assert answer(candidates, imagenet_top1=71.9) == Switch(
        "not known", "its latency_ms@phone and params are not known"
    )
    assert answer(candidates, imagenet_top1=71.9, params=4e6) == Switch(
        "yes",
        "candidate 0 is better with 90 % (78.3 against 71.9) at 0.5 times its params (its"
        " latency_ms@phone is not known)",
        0,
    )
    run = run_with([{"macs": 1.0, "params": 2.0}], ["macs", "params"])
    assert should_switch(run, Baseline("mine", "x", 64, {"macs": 3.0})) == Switch(
        "not known", "the search has no accuracy among its objectives"
    )


def test_accuracy_alone_and_without_intervals() -> None:
    run = run_with([{"trained_accuracy": 60.0}], ["trained_accuracy"])
    better = Baseline("mine", "x", 64, {"trained_accuracy": 50.0})
    assert str(should_switch(run, better)) == "yes: candidate 0 is better (60.0 against 50.0)"
    worse = Baseline("mine", "x", 64, {"trained_accuracy": 70.0})
    assert str(should_switch(run, worse)) == "no: no candidate is better"


def test_made_up_fronts_never_lead_to_a_network_predicted_lower() -> None:
    rng = np.random.default_rng(0)
    answers = []
    for _ in range(150):
        candidates = [
            scores(*(rng.uniform(low, high) for low, high in ((60, 80), (1, 20), (1e6, 6e6))))
            for _ in range(8)
        ]
        found = answer(candidates, imagenet_top1=71.9, latency_ms_phone=10.0, params=3.5e6)
        answers.append(found.answer)
        if found.candidate is not None:
            chosen = candidates[found.candidate]
            assert chosen["imagenet_top1"] > 71.9
            assert chosen["latency_ms@phone"] <= 10.0
            assert chosen["params"] <= 3.5e6
        named = [number for number in range(8) if f"candidate {number}" in found.reason]
        assert all(candidates[number]["imagenet_top1"] >= 71.9 for number in named)
    assert {"yes", "no"} == set(answers)


MOBILENETV2 = """
from mvt_nas import build_model
from mvt_nas.accuracy.imagenet.published_results import in_space_results

def network():
    conv = [one for one in in_space_results() if one.line == "conv"]
    return build_model(next(one for one in conv if one.top1 > 71).architecture, seed=0)
"""


@pytest.mark.parametrize(
    "budgets",
    [["macs<=300M"], ["params<=3M"], ["latency_ms@x86-onnxruntime-1t<=9", "params<=6M"]],
)
def test_mobilenetv2_is_never_replaced_by_a_network_predicted_lower(
    budgets: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its accuracy is given, and its latency predicted, since nothing is measured here."""
    (tmp_path / "own_mobilenetv2.py").write_text(MOBILENETV2)
    monkeypatch.chdir(tmp_path)
    latency = "latency_ms@x86-onnxruntime-1t"
    run = search(
        "mobilevit",
        objectives=["imagenet_top1", latency, "params"],
        budgets=budgets,
        trials=60,
        sampler="random",
        out="r",
    ).run
    given = "own_mobilenetv2:network,resolution_px=224,imagenet_top1=71.9,name=mobilenetv2"
    unknown = "own_mobilenetv2:network,resolution_px=224"
    run, _ = add_baselines(run, load_baselines([given, unknown]), seconds=None)
    mobilenetv2, predicted = compare_baselines(run)
    assert mobilenetv2.unknown == predicted.unknown == ()
    assert mobilenetv2.baseline.predicted == (latency,)
    assert set(predicted.baseline.predicted) == {
        "imagenet_top1",
        "imagenet_top1_low",
        "imagenet_top1_high",
        latency,
    }
    assert predicted.baseline.scores["imagenet_top1"] == pytest.approx(71.9, abs=1.5)
    page = report(run)
    for comparison, document in zip((mobilenetv2, predicted), baselines_document(run), strict=True):
        own = comparison.baseline.scores
        switch = comparison.switch
        assert switch.answer in ("yes", "no")
        assert document["switch"] == switch.to_dict()
        assert document["origins"][latency] == "predicted"
        for number in (*comparison.dominated_by, switch.candidate):
            if number is not None:
                chosen = run.candidates[number].scores
                assert chosen["imagenet_top1"] > own["imagenet_top1"]
                assert all(chosen[name] <= own[name] for name in (latency, "params"))
    assert f"Should you switch? {mobilenetv2.switch.answer}: " in page
