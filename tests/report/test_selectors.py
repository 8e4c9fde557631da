"""Candidates by what they are: against a front that was drawn by hand."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from mvt_nas import load_space
from mvt_nas.errors import RunError
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.selectors import select_candidate
from tests.support import cli
from tests.support.candidates import run_with

SPACE = load_space("tiny")
POINTS = [(10.0, 10.0), (80.0, 20.0), (90.0, 90.0), (5.0, 95.0), (80.0, 15.0)]
"""Accuracy and milliseconds: 4 dominates 1 although both are as accurate, 3 is dominated by all."""


def run_of(
    points: list[tuple[float, float]] = POINTS, devices: tuple[str, ...] = ("phone",)
) -> Run:
    metrics = [f"latency_ms@{name}" for name in devices]
    scores = [
        {"trained_accuracy": accuracy, "params": 1e6 + number} | dict.fromkeys(metrics, ms)
        for number, (accuracy, ms) in enumerate(points)
    ]
    objectives = ("trained_accuracy:max", *(f"{metric}:min" for metric in metrics))
    return run_with(scores, objectives, space=SPACE)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("knee", 4),
        ("trained_accuracy", 2),
        ("latency_ms@phone", 0),
        ("latency_ms", 0),
        ("latency_ms<=50", 4),  # not 1, which is as accurate, but slower
        ("latency_ms<=10", 0),
        ("latency_ms@phone <= 0.1K", 2),
        ("params>=1000001,params<=1000001", 1),
        ("latency_ms<=50,params<=1000001", 1),
        ("trained_accuracy>=85", 2),
    ],
)
def test_names_stand_for_candidates(name: str, number: int) -> None:
    assert select_candidate(run_of(), name) == number


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "kne",
            (
                "no candidate is called 'kne'; did you mean 'knee'? (a number, knee,"
                " trained_accuracy, latency_ms@phone, or limits"
            ),
        ),
        ("best", "no candidate is called 'best'"),
        (
            "latency_ms<=1",
            "no candidate is within latency_ms@phone<=1 (latency_ms@phone is 10 to 95)",
        ),
        (
            "latency_ms<=10,params>=1000003",
            "(latency_ms@phone is 10 to 95, params is 1e+06 to 1e+06)",
        ),
        ("params=3", "the limit 'params=3' cannot be read; write for example 'macs<=1.2G'"),
        ("params<=1M,", "the limit '' cannot be read"),
        ("parms<=1M", "unknown metric 'parms'; did you mean 'params'"),
        (
            "memory_mb<=1",
            (
                "the limit 'memory_mb<=1' is on a metric that its candidates do not have (known:"
                " latency_ms@phone, params, trained"
            ),
        ),
    ],
)
def test_names_of_nothing_say_what_there_is(name: str, message: str) -> None:
    with pytest.raises(RunError, match=re.escape(message)) as error:
        select_candidate(run_of(), name)
    assert str(error.value).startswith("somewhere: ")


def test_a_latency_without_a_device_is_refused_where_there_are_two() -> None:
    run = run_of(devices=("phone", "laptop"))
    assert select_candidate(run, "latency_ms@laptop") == 0
    with pytest.raises(RunError, match="no candidate is called 'latency_ms'; did you mean"):
        select_candidate(run, "latency_ms")


def test_where_nothing_is_complete_nothing_is_chosen() -> None:
    run = run_of()
    failed = {
        number: dataclasses.replace(one, status="failed") for number, one in run.candidates.items()
    }
    for name in ("knee", "latency_ms<=50"):
        with pytest.raises(RunError, match="no candidate is complete, so there is none to choose"):
            select_candidate(dataclasses.replace(run, candidates=failed), name)


@pytest.mark.slow
def test_commands_take_the_names_and_the_classes_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = (
        "--objective",
        "macs",
        "--objective",
        "params",
        "--num-classes",
        "7",
        "--trials",
        "6",
        "--out",
        "runs/one",
    )
    front = cli.run_json("search", "tiny", *arguments)
    by_number = {one["id"]: one for one in front["front"]}
    knee = cli.run_json("show", "runs/one:knee")
    assert (knee["name"], knee["key"]) == (
        f"runs/one, candidate {front['knee']}",
        by_number[front["knee"]]["key"],
    )
    assert (
        knee["params"] == by_number[front["knee"]]["scores"]["params"]
    )  # with the seven classes of the run
    assert cli.run_json("show", "runs/one:knee", "--num-classes", "9")["params"] > knee["params"]
    least = min(one["scores"]["params"] for one in front["front"])
    assert cli.run_json("show", f"runs/one:params<={least:.0f}")["params"] == least
    (exported,) = cli.run_json(
        "export", "runs/one:knee", "--to", "python", "--measure-seconds", "0"
    )
    assert exported["files"][0] == "exported/one_knee/python/one_knee.py"
    assert cli.run_json("import", exported["files"][0])["settings"] == {"num_classes": 7}
    code, _, err = cli.run("show", "runs/one")
    assert code == 2
    assert (
        "runs/one: a run, not a network; specify a candidate: runs/one:ID, runs/one:knee or " in err
    )
    main_said()


def main_said() -> None:
    """The table of the front says how other commands take what is in it."""
    _, out, _ = cli.run("pareto", "runs/one")
    said = next(line for line in out.splitlines() if line.startswith("Other commands take "))
    assert (
        said == "Other commands take runs/one:ID, runs/one:knee, runs/one:macs (the best in an"
        " objective), 'runs/one:params<=2M' (the best within limits)."
    )
