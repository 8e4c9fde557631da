"""Predicted latency as an objective and a budget, and what a run folder knows of its devices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mvt_nas.errors import LatencyError, MetricError, MvtNasError, RunError, SpaceError
from mvt_nas.latency.profile_lookup import default_profile_name
from mvt_nas.metrics.metric import Metric
from mvt_nas.metrics.names import ESTIMATED
from mvt_nas.nas.api import SearchResult, resume_folder, search
from mvt_nas.nas.problem.device_profiles import DeviceProfiles
from mvt_nas.nas.problem.environment import versions
from mvt_nas.nas.problem.objectives import Budget, Objective, parse_budgets, parse_objectives
from mvt_nas.nas.runs.folder import CONFIG
from mvt_nas.nas.runs.run import Run
from mvt_nas.nas.space_summary import summarize_space
from tests.support.device_profiles import install, profile
from tests.support.searches import facts, small_space

SLOW, FAST = profile("slow", 1), profile("fast", 2, batch_size=2)


@pytest.fixture(autouse=True)
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "devices"
    install(folder, SLOW, FAST, profile(default_profile_name(), 3))
    monkeypatch.setenv("MVT_NAS_DEVICES", str(folder))
    return folder


def run_small(out: Path, **changes: Any) -> SearchResult:
    settings: dict[str, Any] = {
        "objectives": ["latency_ms@slow", "params"],
        "trials": 12,
        "batch": 4,
        "out": out,
    }
    return search(small_space(), **(settings | changes))


@pytest.mark.parametrize(
    ("text", "metric"),
    [
        ("latency_ms", f"latency_ms@{default_profile_name()}"),
        ("latency_ms:min", f"latency_ms@{default_profile_name()}"),
        ("latency_ms@slow", "latency_ms@slow"),
        ("latency_ms@fast:min", "latency_ms@fast"),
    ],
)
def test_a_latency_says_which_device(text: str, metric: str) -> None:
    names = DeviceProfiles()
    assert parse_objectives([text], names.resolve) == [Objective.parse(f"{metric}:min")]
    assert list(map(str, names.found)) == [metric]


def test_a_device_may_be_the_path_of_its_profile(devices: Path) -> None:
    names = DeviceProfiles()
    strange = devices / "my slow: device.json"
    (devices / "slow.json").rename(strange)
    assert parse_objectives([f"latency_ms@{strange}:min"], names.resolve) == [
        Objective.parse("latency_ms@slow:min")
    ]
    assert parse_objectives([f"latency_ms@{strange}"], names.resolve) == [
        Objective.parse("latency_ms@slow:min")
    ]
    assert parse_budgets([f"latency_ms@{strange} <= 1.5"], names.resolve) == [
        Budget.parse("latency_ms@slow<=1.5")
    ]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("latency_ms@slov", LatencyError, r"unknown device 'slov'; did you mean 'slow'"),
        ("latency_ms@nowhere.json", LatencyError, r"nowhere\.json: cannot be read"),
        ("latency_ms@slow:max", MetricError, "a cost can only be minimised; latency_ms@slow:min"),
        ("latency_ms@slow:up", MetricError, "the direction 'up' is not allowed; min or max"),
        ("latency_ms@", MetricError, r"unknown metric 'latency_ms@'; did you mean 'latency_ms'"),
        ("latency@slow", MetricError, r"unknown metric 'latency@slow'; did you mean 'latency_ms'"),
        ("macs@slow", MetricError, "unknown metric 'macs@slow'"),
    ],
)
def test_a_latency_that_cannot_be_is_refused(
    text: str, error: type[MvtNasError], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        run_small(tmp_path / "run", objectives=[text])
    assert not (tmp_path / "run").exists()


def test_one_device_under_two_names_is_one(devices: Path) -> None:
    with pytest.raises(MetricError, match="objectives: latency_ms@slow is given twice"):
        parse_objectives(
            ["latency_ms@slow", f"latency_ms@{devices / 'slow.json'}"], DeviceProfiles().resolve
        )


def test_two_devices_of_one_name_are_refused(tmp_path: Path) -> None:
    install(tmp_path / "other", profile("slow", 5))
    with pytest.raises(
        MetricError,
        match=(
            r"latency_ms@slow is the name of two profiles \(hash \w+ and \w+\); give one another"
            r" name"
        ),
    ):
        run_small(tmp_path / "run", budgets=[f"latency_ms@{tmp_path / 'other' / 'slow.json'}<=900"])


def test_scores_are_what_the_profiles_predict(tmp_path: Path) -> None:
    run = run_small(
        tmp_path,
        objectives=["latency_ms@slow", "latency_ms@fast"],
        budgets=["latency_ms<=1000"],
        num_classes=10,
    ).run
    assert (
        sorted(run.config.devices) == ["fast", "slow", default_profile_name()]
        or len(run.config.devices) == 3
    )
    for number, candidate in run.candidates.items():
        architecture = run.architecture(number)
        for device in (SLOW, FAST):
            expected = device.predictor.predict(
                architecture, batch_size=device.batch_size, num_classes=10
            ).ms
            assert candidate.scores[device.metric] == pytest.approx(expected, rel=1e-9)
        assert set(candidate.scores) == {
            "params",
            "macs",
            "memory_mb",
            *ESTIMATED,
            *map(str, run.devices),
        }
    assert {path.name for path in (tmp_path / "devices").iterdir()} >= {"slow.json", "fast.json"}


def test_a_budget_on_latency_is_met_before_a_candidate_exists(tmp_path: Path) -> None:
    free = run_small(tmp_path / "free", trials=60).run
    bound = sorted(c.scores["latency_ms@slow"] for c in free.complete())[20]
    run = run_small(
        tmp_path / "bound",
        objectives=["macs", "params"],
        budgets=[f"latency_ms@slow<={bound}"],
        trials=20,
    ).run
    assert len(run.complete()) == 20
    assert max(c.scores["latency_ms@slow"] for c in run.complete()) <= bound
    assert (
        run_small(tmp_path / "c", budgets=[f"latency_ms@slow<={bound}"]).run.config.reference[
            "latency_ms@slow"
        ]
        == bound
    )


def test_a_latency_that_nothing_reaches_is_answered_with_the_tightest(tmp_path: Path) -> None:
    with pytest.raises(
        SpaceError,
        match=r"latency_ms@slow<=0\.001: tightest <=[\d.]+ alone, with the others <=[\d.]+",
    ) as refused:
        run_small(tmp_path / "run", budgets=["latency_ms@slow<=0.001", "macs<=1T"])
    tightest = str(refused.value).partition("tightest <=")[2].partition(" ")[0]
    assert run_small(
        tmp_path / "run", budgets=[f"latency_ms@slow<={tightest}"], trials=1
    ).run.complete()


def test_a_survey_knows_the_devices_of_its_budgets() -> None:
    report = summarize_space(small_space(), ["latency_ms@slow<=2"], samples=500)
    assert list(report["costs"]) == ["params", "macs", "memory_mb", "latency_ms@slow"]
    assert report["budgets"][0]["tightest"] == report["costs"]["latency_ms@slow"]["min"] > 0
    with pytest.raises(
        MetricError,
        match=(
            r"is known before a search \(params, macs, memory_mb, latency_ms, accuracy,"
            r" imagenet_top1\)"
        ),
    ):
        summarize_space(small_space(), ["snip<=3"])


def test_a_run_does_not_depend_on_what_is_installed(devices: Path, tmp_path: Path) -> None:
    whole = run_small(tmp_path / "whole", trials=24).run
    run_small(tmp_path / "run")
    (devices / "slow.json").unlink()
    assert Run.load(tmp_path / "run").devices[
        Metric.parse("latency_ms@slow")
    ].hash == recorded_hash(tmp_path / "run")
    again = run_small(tmp_path / "run", trials=16, resume=True).run
    assert len(again.candidates) == 16
    assert facts(resume_folder(tmp_path / "run", trials=24, workers=1).run) == facts(whole)


def recorded_hash(folder: Path) -> str:
    return str(yaml.safe_load((folder / CONFIG).read_text())["devices"]["slow"])


def test_another_profile_of_the_same_name_is_another_search(devices: Path, tmp_path: Path) -> None:
    run = run_small(tmp_path / "run").run
    install(devices, profile("slow", 9))
    with pytest.raises(
        RunError,
        match=(
            r"was started with other settings \(devices is slow \w+ there, slow \w+ here\); leave"
            r" them out"
        ),
    ):
        run_small(tmp_path / "run", resume=True, trials=16)
    kept = {"objectives": run.config.objectives, "budgets": run.config.budgets}
    assert len(run_small(tmp_path / "run", resume=True, trials=16, **kept).run.candidates) == 16
    with pytest.raises(RunError, match="devices is slow"):
        run_small(
            tmp_path / "run",
            resume=True,
            objectives=kept["objectives"],
            budgets=["latency_ms@slow<=9"],
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda path: path.unlink(),
            r"the run's copy of a device cannot be used \(.*slow\.json: cannot be read",
        ),
        (
            lambda path: path.write_text("{"),
            r"cannot be used \(.*slow\.json: no profile, not even JSON",
        ),
        (lambda path: path.write_bytes(b"\xff\xfe"), r"cannot be used \(.*slow\.json: no profile"),
        (
            lambda path: profile("slow", 9).write(path),
            r"the run's copy of a device was changed \(.*slow\.json: hash \w+, not \w+\)",
        ),
    ],
)
def test_a_copy_that_was_changed_is_refused(change: Any, message: str, tmp_path: Path) -> None:
    run_small(tmp_path)
    change(tmp_path / "devices" / "slow.json")
    for read in (
        Run.load,
        lambda folder: resume_folder(folder, trials=20, workers=1),
        lambda folder: run_small(folder, resume=True),
    ):
        with pytest.raises(RunError, match=message):
            read(tmp_path)


def test_a_configuration_that_names_no_device_of_its_own_is_damaged(tmp_path: Path) -> None:
    run_small(tmp_path)
    data = yaml.safe_load((tmp_path / CONFIG).read_text())
    for objectives, devices in (
        (["latency_ms@fast:min"], data["devices"]),
        (["latency_ms:min"], data["devices"]),
        (["latency_ms@slow"], {}),
    ):
        (tmp_path / CONFIG).write_text(
            yaml.safe_dump(data | {"objectives": objectives, "devices": devices})
        )
        with pytest.raises(
            RunError,
            match=r"run\.yaml: damaged \(unknown device in 'latency_ms\S*' \(known: \w+\)",
        ):
            Run.load(tmp_path)


def test_a_run_from_before_there_were_devices_is_read(tmp_path: Path) -> None:
    expected = facts(run_small(tmp_path, objectives=["macs"]).run)
    data = yaml.safe_load((tmp_path / CONFIG).read_text())
    assert data.pop("devices") == {}
    (tmp_path / CONFIG).write_text(yaml.safe_dump(data))
    assert facts(Run.load(tmp_path)) == expected
    assert (
        len(run_small(tmp_path, objectives=["macs"], trials=16, resume=True).run.candidates) == 16
    )


def test_a_run_is_the_same_whatever_else_is_asked(tmp_path: Path) -> None:
    first, second = (facts(run_small(tmp_path / name).run) for name in "ab")
    assert json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    assert "torch" in versions()
