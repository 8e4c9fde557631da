"""A watched run is the run, however it arrives: in pieces, torn, again, locked, with rungs."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from mvt_nas import Run, search
from mvt_nas.errors import RunError
from mvt_nas.nas.problem.objectives import Objective
from mvt_nas.nas.problem.short_training import CandidateTraining
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.folder import locked, write_config
from mvt_nas.nas.runs.rungs import Rung, RungResult
from mvt_nas.nas.runs.store import NAME, BatchRecord, Store, read
from mvt_nas.report.watch import hypervolume as curve_module
from mvt_nas.report.watch.counters import RunCounters
from mvt_nas.report.watch.hypervolume import HypervolumeCurve, area_chart
from mvt_nas.report.watch.rate import Rate
from mvt_nas.report.watch.tail import RunTail, in_use
from mvt_nas.report.watch.view import RungView, RunWatcher
from mvt_nas.training.short_recipe import ShortRecipe
from tests.support.searches import small_space

TRIALS = 60


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "finished"
    settings = {"sampler": "random", "batch": 8, "trials": TRIALS}
    return search(
        small_space(), objectives=["macs", "params", "memory_mb"], out=out, **settings
    ).run  # type: ignore[arg-type]


@pytest.fixture
def folder(finished: Run, tmp_path: Path) -> Path:
    """The configuration of the finished run in a folder without candidates."""
    write_config(tmp_path, finished.config)
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    """The store in that folder."""
    with closing(Store(folder)) as store:
        yield store


def broken(candidate: Candidate) -> Candidate:
    """Every fifth candidate has failed, for one of two reasons."""
    if candidate.number % 5:
        return candidate
    error = "RuntimeError: odd" if candidate.number % 2 else "RuntimeError:\n even"
    return dataclasses.replace(candidate, status="failed", scores={}, error=error)


def test_a_tally_is_the_run(finished: Run) -> None:
    candidates = [broken(finished.candidates[number]) for number in reversed(range(TRIALS))]
    run = dataclasses.replace(finished, candidates={c.number: c for c in candidates})
    for size in (1, 7, TRIALS):
        tally = RunCounters(finished.config)
        for start in range(0, TRIALS, size):
            tally.add(candidates[start : start + size])
        assert [c.number for c in tally.front] == [c.number for c in run.front()]
        assert tally.hypervolume(exact=True) == pytest.approx(run.hypervolume(), rel=1e-12)
        assert tally.knee == run.knee()
        assert (tally.done, tally.counts) == (TRIALS, {"complete": 48, "failed": 12})
        assert tally.reasons == {"RuntimeError: odd": 6, "RuntimeError: even": 6}
        assert tally.seconds == pytest.approx(sum(c.seconds for c in candidates))


def test_the_curve_of_a_tally_is_the_hypervolume_of_what_had_come(finished: Run) -> None:
    tally = RunCounters(finished.config)
    tally.add([finished.candidates[number] for number in range(TRIALS)])
    assert [done for done, _ in tally.curve] == list(range(1, TRIALS + 1))
    for done, volume in tally.curve[::7]:
        part = dataclasses.replace(
            finished, candidates={n: finished.candidates[n] for n in range(done)}
        )
        assert volume == pytest.approx(part.hypervolume(), rel=1e-12)


def test_without_candidates_there_is_nothing(finished: Run) -> None:
    tally = RunCounters(finished.config)
    tally.add([])
    assert (tally.front, tally.knee, tally.hypervolume(exact=False), tally.done) == (
        [],
        None,
        0.0,
        0,
    )


def test_only_what_is_new_is_read(
    finished: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (finished.folder / NAME).read_bytes().splitlines(keepends=True)
    follower, decode = RunTail(folder), json.JSONDecoder().raw_decode
    read_lines: list[str] = []

    def counted(text: str) -> object:
        read_lines.append(text)
        return decode(text)

    monkeypatch.setattr("mvt_nas.journal._DECODE", counted)
    assert follower.read().candidates == ()
    for number, line in enumerate(lines):
        torn = len(line) // 2
        with open(folder / NAME, "ab") as file:
            file.write(line[:torn])
            file.flush()
            assert follower.read().records == 0
            file.write(line[torn:])
        assert follower.read().records == 1, number
        assert follower.read().records == 0
    assert len(read_lines) == len(lines)
    expected = read(finished.folder)
    assert follower.content.candidates == expected.candidates
    assert (follower.content.finished, follower.content.exhausted) == (TRIALS, False)
    assert follower.content.intact == expected.intact


def test_another_run_in_the_folder_is_noticed(finished: Run, folder: Path) -> None:
    lines = (finished.folder / NAME).read_bytes().splitlines(keepends=True)
    (folder / NAME).write_bytes(b"".join(lines[:20]))
    follower = RunTail(folder)
    assert not follower.read().restarted
    (folder / NAME).write_bytes(b"".join(lines[:10]))  # shorter than before
    news = follower.read()
    assert (news.restarted, news.records, len(follower.content.candidates)) == (
        True,
        10,
        len(news.candidates),
    )
    (folder / "new").write_bytes(b"".join(lines[:30]))
    (folder / "new").replace(folder / NAME)
    assert follower.read().restarted
    write_config(
        folder, dataclasses.replace(finished.config, trials=TRIALS + 1)
    )  # it goes on with more trials
    assert not follower.read().restarted
    assert follower.config.trials == TRIALS + 1
    write_config(folder, dataclasses.replace(finished.config, seed=5))
    assert follower.read().restarted
    (folder / "run.yaml").unlink()
    with pytest.raises(RunError, match=r"no run here"):
        follower.read()


def test_damage_is_told_with_its_line(finished: Run, folder: Path) -> None:
    lines = (finished.folder / NAME).read_bytes().splitlines(keepends=True)
    (folder / NAME).write_bytes(b"".join(lines[:20]))
    follower = RunTail(folder)
    follower.read()
    with open(folder / NAME, "ab") as file:
        file.write(lines[20] + lines[21].replace(b"macs", b"mucs") + lines[22])
    with pytest.raises(
        RunError,
        match=rf"{NAME}: line 22 is damaged \(the checksum does not fit\); restore the file",
    ):
        follower.read()


def test_a_lock_is_seen_and_left_alone(folder: Path) -> None:
    assert not in_use(folder)
    with locked(folder):
        assert in_use(folder)
        with pytest.raises(RunError, match="in use by another search"), locked(folder):
            pass
    assert not in_use(folder)
    with locked(folder):
        pass


def test_a_run_goes_on_is_left_and_ends(finished: Run, folder: Path, store: Store) -> None:
    watcher = RunWatcher(folder)
    with locked(folder):
        assert (watcher.look().state, watcher.look().front, watcher.look().left_s) == (
            "running",
            (),
            None,
        )
        for number in range(20):
            store.add(broken(finished.candidates[number]))
        view = watcher.look()
        assert (view.state, view.done, view.counts) == (
            "running",
            20,
            {"complete": 16, "failed": 4},
        )
    view = watcher.look()
    assert (view.state, view.reason) == ("left", None)
    assert view.reasons == (("RuntimeError: even", 2), ("RuntimeError: odd", 2))
    with locked(folder):
        assert watcher.look().state == "running"
        for number in range(20, TRIALS):
            store.add(finished.candidates[number])
        for start in range(0, TRIALS, 8):
            store.finish_batch(BatchRecord(start, min(8, TRIALS - start), {}))
        view = watcher.look()  # held still: the front is being measured
    assert (view.state, view.reason, view.done) == ("ended", "trials", TRIALS)
    run = Run.load(folder)
    assert [c.number for c in view.front] == [c.number for c in run.front()]
    assert (view.knee, view.last_growth) == (run.knee(), max(c.number for c in run.front()))
    assert view.hypervolume == pytest.approx(run.hypervolume(), rel=1e-12)


def test_other_ends_are_told(finished: Run, folder: Path, store: Store) -> None:
    write_config(folder, dataclasses.replace(finished.config, trials=1000))
    store.add(finished.candidates[0])
    assert RunWatcher(folder).look().state == "left"
    store.exhaust()
    assert (RunWatcher(folder).look().state, RunWatcher(folder).look().reason) == (
        "ended",
        "exhausted",
    )


def test_a_stalled_run_has_ended(tmp_path: Path) -> None:
    settings = {
        "sampler": "random",
        "batch": 4,
        "trials": 1000,
        "stop_when": "stalled:8",
        "out": tmp_path / "r",
    }
    assert search(small_space(), objectives=["macs", "params"], **settings).reason == "stalled"  # type: ignore[arg-type]
    view = RunWatcher(tmp_path / "r").look()
    assert (view.state, view.reason) == ("ended", "stalled")


def climb(folder: Path, finished: Run, store: Store) -> None:
    """Give the run rungs, ten candidates of which are trained for one epoch."""
    training = CandidateTraining(
        "digits", None, "0" * 16, 10, ShortRecipe(epochs=6), rungs=(1, 3), keep=0.5
    )
    objectives = (Objective.parse("trained_accuracy:max"), finished.config.objectives[1])
    reference = {"trained_accuracy": 0.0, "params": 1e9}
    config = dataclasses.replace(
        finished.config,
        trials=10,
        batch=10,
        training=training,
        objectives=objectives,
        reference=reference,
    )
    write_config(folder, config)
    for number in range(10):
        candidate = finished.candidates[number]
        store.add(
            dataclasses.replace(
                candidate, scores={**candidate.scores, "trained_accuracy": 10.0 + number}
            )
        )
    store.finish_batch(BatchRecord(0, 10, {}))


def test_rungs_are_followed(finished: Run, folder: Path, store: Store) -> None:
    climb(folder, finished, store)
    watcher = RunWatcher(folder)
    view = watcher.look()
    assert (view.state, view.rungs, view.counts) == ("left", (), {"complete": 10})
    with locked(folder):
        store.add_rung(Rung(10, 3, (9, 8, 7)))
        store.add_rung_result(RungResult(9, 3, 50.0, None, 1.0))
        store.add_rung_result(RungResult(8, 3, None, "diverged", 1.0))
        view = watcher.look()
        assert view.rungs == (RungView(3, 2, 5), RungView(6, 0, 2))
        assert (view.state, view.left_s, view.counts) == (
            "running",
            None,
            {"complete": 1, "failed": 1, "stopped": 8},
        )
        assert view.reasons == (("diverged", 1),)
        for number, accuracy in ((7, 40.0), (6, 45.0), (5, 30.0)):
            store.add_rung_result(RungResult(number, 3, accuracy, None, 1.0))
        store.add_rung(Rung(10, 3, (9, 8, 7, 6, 5)))
        assert [c.number for c in watcher.look().front] == [
            c.number for c in Run.load(folder).front()
        ]
        for number, accuracy in ((9, 60.0), (6, 65.0)):
            store.add_rung_result(RungResult(number, 6, accuracy, None, 1.0))
        store.add_rung(Rung(10, 6, (9, 6)))
        store.finish_promotion(10)
        view = watcher.look()
    assert (view.state, view.reason, view.rungs) == (
        "ended",
        "trials",
        (RungView(3, 5, 5), RungView(6, 2, 2)),
    )
    run = Run.load(folder)
    assert [(c.number, c.scores) for c in view.front] == [(c.number, c.scores) for c in run.front()]
    assert view.hypervolume == pytest.approx(run.hypervolume(), rel=1e-12)


def test_a_rate_is_that_of_the_last_minute_or_of_the_last_steps() -> None:
    pace = Rate()
    assert pace.per_second() is None
    for now in range(101):
        pace.update(float(now), 2 * now)
    assert pace.per_second() == pytest.approx(2.0)
    for now in range(101, 171):
        pace.update(float(now), 200 + 10 * (now - 100))
    assert pace.per_second() == pytest.approx(10.0)
    slow = Rate()
    for now in range(1001):
        slow.update(float(now), now // 100)
    assert slow.per_second() == pytest.approx(3 / 300)  # the last four, of which the first begins
    slow.update(1100.0, 10)
    assert slow.per_second() == pytest.approx(3 / 400)  # nothing has come for a while
    slow.update(1101.0, 2)
    assert slow.per_second() is None


def test_a_chart_is_what_it_draws() -> None:
    rng = np.random.default_rng(0)
    places = np.cumsum(rng.integers(1, 4, 30)).tolist()
    values = np.cumsum(rng.random(30)).tolist()
    width, height, until = 50, 6, places[-1] + 20
    lines = area_chart(
        list(zip(places, values, strict=True)), width=width, height=height, until=until
    )
    assert [len(line) for line in lines] == [width] * height
    for column in range(width):
        eighths = sum(" ▁▂▃▄▅▆▇█".index(line[column]) for line in lines)
        left, right = until * column / width, until * (column + 1) / width
        known = [
            value for place, value in zip(places, values, strict=True) if place <= math.ceil(right)
        ]
        if left >= places[-1] or not known:
            assert eighths == 0
        else:
            assert eighths == 1 + round(
                (known[-1] - values[0]) / (values[-1] - values[0]) * (8 * height - 1)
            )
        assert all(
            above == " " or below == "█"
            for above, below in itertools.pairwise(line[column] for line in lines)
        )


def test_charts_without_a_slope() -> None:
    assert area_chart([], width=3, height=2, until=9) == ["   ", "   "]
    assert area_chart([(1, 5.0)], width=4, height=2, until=1) == ["    ", "▁▁▁▁"]
    assert area_chart([(1, 0.0), (2, 4.0)], width=4, height=1, until=4) == ["▁█  "]
    assert area_chart([(1, 0.0), (3, 1.0)], width=1, height=2, until=3) == ["█", "█"]


def test_a_curve_that_is_slow_to_measure_is_looked_at_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(curve_module.time, "monotonic", lambda: now[0])
    curve = HypervolumeCurve()

    def measure() -> float:
        now[0] += 1.0
        return 3.0

    for done in range(1, 1001):
        now[0] += 0.1
        curve.update(done, measure)
    looks = len(curve.points)
    assert 5 <= looks <= 12  # a second each, in about 110 s of which a twentieth may be spent
    curve.update(1001, measure, exact=True)
    assert curve.points[-1] == (1001, 3.0)
    curve.update(1001, measure, exact=True)
    assert len(curve.points) == looks + 1


def test_a_long_curve_is_thinned() -> None:
    curve = HypervolumeCurve()
    for done in range(1, 5001):
        curve.update(done, lambda: math.sqrt(done), exact=True)  # noqa: B023
    assert len(curve.points) <= curve_module.MOST
    assert curve.points[0] == (1, 1.0)
    assert curve.points[-1] == (5000, math.sqrt(5000))
    gaps = np.diff([done for done, _ in curve.points])
    assert gaps.max() <= 5000 * 6 / curve_module.MOST
    assert all(value == math.sqrt(done) for done, value in curve.points)


def test_there_has_to_be_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no run here \(run\.yaml is missing\)"):
        RunWatcher(tmp_path)
