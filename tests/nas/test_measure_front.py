"""Measuring a front: which candidates, what is kept, and how it ends."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mvt_nas.errors import LatencyError, MetricError, RunError
from mvt_nas.latency.timing.measure import LatencyMeasurement
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.latency.timing.stopwatch import Timing
from mvt_nas.nas.api import search
from mvt_nas.nas.measure_front import devices_here, measure_front
from mvt_nas.nas.runs.latency_records import (
    NAME,
    LatencyAgreement,
    LatencyRecord,
    latency_agreement,
    read_measured,
)
from mvt_nas.nas.runs.run import Run
from mvt_nas.pareto import evenly_spaced_subset
from tests.support.device_profiles import install, profile
from tests.support.searches import SCORING, facts, small_space

HERE, THERE = profile("here", 1, here=True, batch_size=2), profile("there", 2)
METRIC = HERE.metric
FACTOR = 1.25


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("searched")
    install(folder / "devices", HERE, THERE)
    objectives = [f"latency_ms@{folder}/devices/{name}.json" for name in ("here", "there")]
    settings: dict[str, Any] = {"scoring": SCORING, "num_classes": 10, "trials": 60}
    return search(
        small_space(), objectives=["channel_entropy", *objectives], **settings, out=folder / "run"
    ).run.folder


@pytest.fixture
def run(searched: Path, tmp_path: Path) -> Run:
    """A run with a front of some length, to be changed."""
    return Run.load(shutil.copytree(searched, tmp_path / "run"))


class FakeMeasure:
    """Stands in for the stopwatch: every network takes a quarter longer than predicted."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, after: Callable[[int], None] = lambda calls: None
    ) -> None:
        self.calls: list[list[str]] = []
        self.settings: list[TimingSettings] = []
        self._after = after
        monkeypatch.setattr("mvt_nas.nas.measure_front.measure", self)

    def __call__(
        self, networks: Sequence[tuple[str, Any]], settings: TimingSettings
    ) -> list[LatencyMeasurement]:
        self._after(len(self.calls))
        self.calls.append([title for title, _ in networks])
        self.settings.append(settings)
        return [self._measured(title, architecture) for title, architecture in networks]

    def _measured(self, title: str, architecture: Any) -> LatencyMeasurement:
        ms = FACTOR * HERE.predictor.predict(architecture, batch_size=2, num_classes=10).ms
        timing = Timing(ms, 0.9 * ms, 1.1 * ms, ms, ms, 30, 1.0, 7.5, ("a doubt",))
        return LatencyMeasurement(title, architecture.key, (2, 3, 64, 64), 1, timing)


def test_the_front_is_measured_as_its_profile_was(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, told = FakeMeasure(monkeypatch), []
    ended = measure_front(
        run, most=8, seconds=0.5, listener=lambda *progress: told.append(progress)
    )
    assert not ended.interrupted
    assert list(map(str, devices_here(run))) == [METRIC]
    assert [len(call) for call in fake.calls] == [4, 4]
    assert told == [(4, 8), (8, 8)]
    (settings,) = set(fake.settings)
    assert (settings.runtime, settings.threads, settings.batch_size, settings.dtype) == (
        "onnxruntime",
        1,
        2,
        "fp32",
    )
    assert (settings.seconds, settings.num_classes) == (0.5, 10)
    found = ended.run.measured
    assert list(found) == [METRIC]
    front = {candidate.key: candidate for candidate in run.front()}
    assert set(found[METRIC]) <= set(front)
    assert run.candidates[run.knee() or 0].key in found[METRIC]
    for key, one in found[METRIC].items():
        assert one.predicted_ms == front[key].scores[METRIC]
        assert one.ms == pytest.approx(FACTOR * one.predicted_ms)
        assert (one.probe_ms, one.warnings) == (7.5, ("a doubt",))
        assert set(one.fingerprint) == {"device", "runtime", "packages"}
    assert read_measured(run.folder) == found == Run.load(run.folder).measured


def test_how_the_figures_agree() -> None:
    def one(key: str, ms: float) -> LatencyRecord:
        return LatencyRecord(key, METRIC, ms, ms, ms, 10.0)

    found = latency_agreement({str(ms): one(str(ms), ms) for ms in (11.0, 12.0, 15.0)})
    assert found == LatencyAgreement(3, 1.2, pytest.approx(1 - 1.1 / 1.2))
    assert latency_agreement({}) is None


def test_what_is_measured_is_not_measured_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeMeasure(monkeypatch)
    once = measure_front(run, most=6).run
    assert measure_front(once, most=6).run.measured == once.measured
    assert sum(map(len, fake.calls)) == 6 < len(run.front())
    more = measure_front(once, most=10_000).run
    names = [name for call in fake.calls for name in call]
    assert len(names) == len(set(names)) == len(run.front()) == len(more.measured[METRIC])


@pytest.mark.parametrize("groups", [0, 1, 2])
def test_an_interruption_keeps_what_is_finished(
    groups: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(calls: int) -> None:
        if calls == groups:
            raise KeyboardInterrupt

    FakeMeasure(monkeypatch, interrupt)
    before = facts(run)
    ended = measure_front(run, most=15)
    assert ended.interrupted
    assert len(ended.run.measured.get(METRIC, {})) == 5 * groups
    assert facts(Run.load(run.folder)) == before
    FakeMeasure(monkeypatch)
    assert len(measure_front(ended.run, most=15).run.measured[METRIC]) == 15


def test_a_line_torn_by_a_kill_is_left_out_and_damage_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeMeasure(monkeypatch)
    measure_front(run, most=6)
    path = run.folder / NAME
    data = path.read_bytes()
    path.write_bytes(data[:-9])
    assert len(Run.load(run.folder).measured[METRIC]) == 5
    assert len(measure_front(Run.load(run.folder), most=6).run.measured[METRIC]) == 6
    assert len(path.read_bytes().splitlines()) == 6
    path.write_bytes(b"x" + data)
    with pytest.raises(
        RunError,
        match=r"measured\.jsonl: line 1 is damaged \(.+\); remove the file and measure again",
    ):
        Run.load(run.folder)


@pytest.mark.parametrize(
    "changes", [{"ms": 0.0}, {"ms": float("nan")}, {"low_ms": "fast"}, {"probe_ms": -1.0}]
)
def test_a_measurement_that_cannot_be_is_none(changes: dict[str, Any]) -> None:
    one = LatencyRecord("k", METRIC, 2.0, 1.0, 3.0, 2.5)
    assert LatencyRecord.from_dict(one.to_dict()) == one
    with pytest.raises(ValueError, match=r"milliseconds|could not convert"):
        LatencyRecord.from_dict(one.to_dict() | changes)


def test_where_there_is_nothing_to_measure_it_says_why(tmp_path: Path) -> None:
    plain = search(small_space(), objectives=["macs"], trials=4, out=tmp_path / "plain").run
    with pytest.raises(
        MetricError, match=r"nothing to measure; no latency is among its objectives and budgets"
    ):
        measure_front(plain)
    THERE.write(tmp_path / "there.json")
    elsewhere = search(
        small_space(),
        objectives=[f"latency_ms@{tmp_path / 'there.json'}"],
        trials=4,
        out=tmp_path / "there",
    ).run
    with pytest.raises(
        LatencyError, match=r"this machine and its runtimes are none of its devices \(there\)"
    ):
        measure_front(elsewhere)


def test_a_runtime_that_fails_leaves_the_search_as_it_was(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(calls: int) -> None:
        if calls:
            raise LatencyError("onnxruntime: no more")

    FakeMeasure(monkeypatch, fail)
    with pytest.raises(LatencyError, match="no more"):
        measure_front(run, most=10)
    assert len(Run.load(run.folder).measured[METRIC]) == 5


@pytest.mark.parametrize(
    ("n", "most", "kept", "expected"),
    [
        (3, 5, None, [0, 1, 2]),
        (9, 3, None, [0, 4, 8]),
        (9, 3, 3, [0, 3, 8]),
        (9, 3, 4, [0, 4, 8]),
        (9, 2, 5, [0, 5]),
        (9, 1, 5, [5]),
        (9, 1, None, [0]),
        (0, 3, None, []),
    ],
)
def test_a_few_are_spread_over_many(
    n: int, most: int, kept: int | None, expected: list[int]
) -> None:
    assert evenly_spaced_subset(n, most, kept) == expected


def test_two_networks_are_measured_for_real(run: Run) -> None:
    found = measure_front(run, most=2, seconds=0.05).run.measured[METRIC]
    assert len(found) == 2
    assert all(one.low_ms <= one.ms <= one.high_ms for one in found.values())
    assert all(
        one.probe_ms is not None and one.fingerprint["runtime"]["name"] == "onnxruntime"
        for one in found.values()
    )
