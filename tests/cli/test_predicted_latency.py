"""Predicted and measured latency in search, pareto, plot, show and space check."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from mvt_nas import Run, zoo
from mvt_nas.errors import LatencyError
from mvt_nas.latency.model.predictor import Predictor
from mvt_nas.latency.profile_lookup import default_profile_name
from mvt_nas.latency.timing.measure import LatencyMeasurement
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.latency.timing.stopwatch import Timing
from mvt_nas.metrics.metric import Metric
from mvt_nas.nas.runs.latency_records import NAME
from mvt_nas.report.front_plot import front_plot
from mvt_nas.report.plots import draw_plot
from tests.support.cli import run, run_json
from tests.support.device_profiles import install, predictor, profile
from tests.support.searches import small_space

pytestmark = pytest.mark.slow

HERE = profile("here", 1, here=True, reference_ms=5.0)
QUICK = (
    "--objective",
    "channel_entropy",
    "--score-px",
    "32",
    "--score-images",
    "4",
    "--trials",
    "30",
)
SEARCH = ("search", "small.yaml", *QUICK, "--objective", "latency_ms@here", "--out", "r")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MVT_NAS_DEVICES", str(tmp_path / "devices"))
    install(tmp_path / "devices", HERE, profile("there", 2), profile(default_profile_name(), 3))
    Path("small.yaml").write_text(yaml.safe_dump(small_space().document))
    return tmp_path


@pytest.fixture
def stopwatch(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Replace the stopwatch: every network takes a tenth longer than predicted."""
    calls: list[int] = []

    def measure(
        networks: Sequence[tuple[str, Any]], settings: TimingSettings
    ) -> list[LatencyMeasurement]:
        calls.append(len(networks))
        found = []
        for title, architecture in networks:
            ms = 1.1 * HERE.predictor.predict(architecture).ms
            found.append(
                LatencyMeasurement(
                    title,
                    architecture.key,
                    (1, 3, 64, 64),
                    1,
                    Timing(ms, ms, ms, ms, ms, 30, 1.0, 5.2, ()),
                )
            )
        return found

    monkeypatch.setattr("mvt_nas.nas.measure_front.measure", measure)
    return calls


def test_a_search_measures_its_front_where_its_device_is_here(stopwatch: list[int]) -> None:
    code, out, err = run(*SEARCH, "--measure-most", "4")
    assert code == 0
    assert stopwatch == [4]
    assert err.rstrip().endswith("measured 4/4 networks of the front")
    assert "predicted ms  measured ms" in out
    assert "Milliseconds are predicted for here." in out
    assert (
        "Measured on here: 10.0 % slower than predicted (median of 4; the reference model is 4.0 %"
        " slower than when the device was profiled" in out
    )
    assert "that one factor apart, predictions are 0.0 % off at the median." in out
    document = run_json("pareto", "r")
    measured = [
        entry["measured"]["latency_ms@here"] for entry in document["front"] if entry["measured"]
    ]
    assert len(measured) == 4
    assert all(
        one["ms"] == pytest.approx(1.1 * one["predicted_ms"]) and one["probe_ms"] == 5.2
        for one in measured
    )
    assert document["devices"] == {
        "here": Run.load("r").devices[Metric.parse("latency_ms@here")].hash
    }


def test_tables_and_pictures_hold_both_figures(stopwatch: list[int]) -> None:
    run(*SEARCH, "--measure-most", "3")
    with Path("r/front.csv").open() as file:
        rows = list(csv.DictReader(file))
    told = [row for row in rows if row["measured_ms@here"]]
    assert len(told) == 3
    assert all(
        float(row["measured_ms@here"]) == pytest.approx(1.1 * float(row["latency_ms@here"]))
        for row in told
    )
    loaded = Run.load("r")
    (panel,) = front_plot(loaded).panels
    assert len(panel.measured) == 3
    for (x, y), (measured_x, measured_y) in panel.measured:
        assert (x, y) in panel.front
        assert (measured_x, measured_y) == (pytest.approx(1.1 * x), y)
    draw_plot(loaded, Path("front.png"))


def test_measuring_can_be_left_out_and_done_later(stopwatch: list[int]) -> None:
    _, out, _ = run(*SEARCH, "--no-measure-front")
    assert stopwatch == []
    assert "measured ms" not in out
    code, out, _ = run("pareto", "r", "--measure", "--measure-most", "2", "--csv", "front.csv")
    assert (code, stopwatch) == (0, [2])
    assert "predicted ms  measured ms" in out
    assert "measured_ms@here" in Path("front.csv").read_text()
    run("search", "--resume", "--out", "r", "--measure-most", "2")
    assert stopwatch == [2]


def test_what_is_not_here_is_not_measured(stopwatch: list[int]) -> None:
    arguments = (
        "search",
        "small.yaml",
        "--objective",
        "latency_ms@there",
        "--objective",
        "latency_ms",
        "--trials",
        "5",
        "--out",
        "r",
    )
    code, out, err = run(*arguments)
    assert (code, stopwatch) == (0, [])
    assert f"predicted ms@there  predicted ms@{default_profile_name()}" in out
    assert "not measured" not in err
    code, _, err = run("search", "--resume", "--out", "r", "--measure-front")
    assert code == 0
    assert (
        "The front is not measured: r: nothing to measure here; this machine and its runtimes are"
        " none of its devices (there, " in err
    )
    code, out, err = run("pareto", "r", "--measure")
    assert (code, out) == (2, "")
    assert "nothing to measure here" in err


def test_ctrl_c_while_measuring_keeps_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mvt_nas.nas.measure_front.measure", interrupt)
    code, out, err = run(*SEARCH)
    assert code == 130
    assert "30 candidates (0 failed, 0 infeasible)" in out
    assert "Resume with:  mvt-nas pareto r --measure" in err
    assert Path("r/front.csv").exists()
    assert Path("r", NAME).read_bytes() == b""


def test_a_runtime_that_fails_costs_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise LatencyError("no more")

    monkeypatch.setattr("mvt_nas.nas.measure_front.measure", fail)
    code, out, err = run(*SEARCH)
    assert code == 0
    assert "The front is not measured: no more" in err
    assert "r/front.png" in out


def test_resume_goes_on_without_the_installed_device(folder: Path, stopwatch: list[int]) -> None:
    run(*SEARCH, "--budget", "latency_ms@here<=1000", "--no-measure-front")
    (folder / "devices" / "here.json").unlink()
    code, _, err = run("search", "--resume", "--out", "r", "--trials", "32", "--no-measure-front")
    assert code == 0, err
    install(folder / "devices", profile("here", 8, here=True))
    code, _, err = run("search", "--resume", "--out", "r", "--trials", "34", "--no-measure-front")
    assert code == 0, err
    code, _, err = run("search", "--resume", "--out", "r", "--budget", "latency_ms@here<=1000")
    assert code == 2
    assert "devices is here " in err


def test_show_predicts_on_the_default_device_and_on_others(folder: Path) -> None:
    code, out, _ = run("show", "mobilevit_xxs")
    assert code == 0
    assert f"on {default_profile_name()}, batch 1" in out
    shown = run_json(
        "show",
        "mobilevit_xxs",
        "--device",
        "here",
        "--device",
        str(folder / "devices" / "there.json"),
    )
    assert [entry["device"] for entry in shown["latency"]] == ["here", "there"]
    expected = predictor(1).predict(zoo("mobilevit_xxs"))
    assert shown["latency"][0]["ms"] == expected.ms
    assert shown["latency"][0]["low_ms"] == pytest.approx(0.9 * expected.ms)
    code, _, err = run("show", "mobilevit_xxs", "--device", "hare")
    assert code == 2
    assert "unknown device 'hare'; did you mean 'here'?" in err


def test_show_says_what_lies_outside_the_calibration(folder: Path) -> None:
    model = Predictor(
        {"pointwise": {"macs": 1.0}, "depthwise": {"calls": 1.0}},
        0.0,
        0.1,
        {"pointwise": {"macs": (0.0, 1e9)}},
    )
    install(folder / "devices", profile("narrow", predictor=model))
    _, out, _ = run("show", "mobilevit_xxs", "--device", "narrow")
    assert "% of it is outside the calibrated range (depthwise): the interval may not hold" in out


def test_space_check_tells_how_quick_networks_can_be() -> None:
    code, out, _ = run(
        "space",
        "check",
        "small.yaml",
        "--samples",
        "100",
        "--budget",
        "latency_ms@here<=1",
    )
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[4:8]] == [
        "params",
        "macs",
        "memory_mb",
        "latency_ms@here",
    ]
