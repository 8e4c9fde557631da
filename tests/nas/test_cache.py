"""Searches with the cache of evaluations: no repeats, and no damage costs a search."""

from __future__ import annotations

import dataclasses
import logging
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvt_nas._io import cache_home
from mvt_nas.nas.api import SearchResult, search
from mvt_nas.nas.cache.maintenance import cache_contents
from mvt_nas.nas.cache.runner import CachedRunner
from mvt_nas.nas.cache.store import OFF, EvaluationCache, cache_path
from mvt_nas.nas.problem.short_training import FOLDER
from mvt_nas.nas.request import TrainingImages
from mvt_nas.nas.runners.evaluation import EvaluationTask, Outcome, evaluate
from mvt_nas.nas.runs.store import NAME
from mvt_nas.proxies.base import PROXIES
from tests.nas.test_candidate_training import PICTURES, run_search
from tests.support.fake_trainer import install_fake_trainer
from tests.support.searches import SCORING, facts, scoring_task, small_space

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The metrics of each evaluation in this process."""
    done: list[tuple[str, ...]] = []

    def counting(task: EvaluationTask) -> Outcome:
        done.append(task.metrics)
        return evaluate(task)

    monkeypatch.setattr("mvt_nas.nas.runners.local.evaluate", counting)
    return done


def run_small(out: Path, *costly: str, **changes: Any) -> SearchResult:
    settings: dict[str, Any] = {
        "objectives": [*costly, "macs:min"],
        "trials": 12,
        "batch": 4,
        "scoring": SCORING,
        "out": out,
    }
    return search(small_space(), **(settings | changes))


def lines(run: SearchResult) -> list[str]:
    """Return the store's lines without checksums and seconds."""
    import re

    text = (run.run.folder / NAME).read_text()
    return [re.sub(r'"seconds":[0-9.e-]+', "", line[9:]) for line in text.splitlines()]


def test_a_second_run_evaluates_nothing_and_writes_the_same(
    tmp_path: Path, evaluated: list[tuple[str, ...]]
) -> None:
    plain = run_small(tmp_path / "plain", "weights", "log_synflow", cache=False)
    assert (len(evaluated), cache_path().exists(), plain.cached) == (12, False, 0)
    first = run_small(tmp_path / "first", "weights", "log_synflow")
    assert (len(evaluated), first.cached) == (24, 0)
    second = run_small(tmp_path / "second", "weights", "log_synflow")
    assert (len(evaluated), second.cached) == (24, 12)
    assert lines(second) == lines(first) == lines(plain)
    assert (second.run.folder / NAME).read_bytes() == (first.run.folder / NAME).read_bytes()
    assert (tmp_path / "second" / "run.yaml").read_bytes() == (
        tmp_path / "plain" / "run.yaml"
    ).read_bytes()


def test_no_worker_is_started_where_nothing_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_small(tmp_path / "first", "weights")
    monkeypatch.setattr(
        "mvt_nas.nas.options.ExecutionOptions.make_runner",
        lambda *_: pytest.fail("a runner was made"),
    )
    assert facts(run_small(tmp_path / "second", "weights", workers=2).run) == facts(first.run)


def test_only_the_missing_metrics_are_evaluated(
    tmp_path: Path, evaluated: list[tuple[str, ...]]
) -> None:
    run_small(tmp_path / "one", "weights", sampler="random")
    expected = run_small(
        tmp_path / "plain", "log_synflow", "weights", sampler="random", cache=False
    )
    evaluated.clear()
    both = run_small(tmp_path / "both", "log_synflow", "weights", sampler="random")
    assert evaluated == [("log_synflow",)] * 12
    assert lines(both) == lines(expected)
    evaluated.clear()
    assert lines(
        run_small(tmp_path / "again", "log_synflow", "weights", sampler="random")
    ) == lines(expected)
    assert evaluated == []


def test_samplers_share_the_cache_and_equal_architectures_one_entry(
    tmp_path: Path, evaluated: list[tuple[str, ...]]
) -> None:
    whole = search(
        small_space(),
        objectives=["weights", "macs"],
        trials=1000,
        sampler="exhaustive",
        scoring=SCORING,
        out=tmp_path / "all",
    )
    assert len(evaluated) == len(whole.run.candidates) == cache_contents(cache_path()).entries
    for sampler in ("nsga2", "random"):
        assert run_small(tmp_path / sampler, "weights", sampler=sampler).cached == 12
    assert len(evaluated) == len(whole.run.candidates)


def test_an_edited_score_is_computed_anew(tmp_path: Path, evaluated: list[tuple[str, ...]]) -> None:
    run_small(tmp_path / "a", "weights")
    file = Path(PROXIES.get("weights").score.__globals__["__file__"])
    text = file.read_text()
    file.write_text(f"{text}# edited\n")
    run_small(tmp_path / "b", "weights")
    assert len(evaluated) == 24
    file.write_text(text)
    run_small(tmp_path / "c", "weights")
    assert len(evaluated) == 24


def test_trainings_are_kept_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_fake_trainer(monkeypatch)
    expected = run_search(tmp_path / "plain", cache=False)
    first = run_search(tmp_path / "first")
    assert facts(first.run) == facts(expected.run)

    def never(*_: Any) -> float:
        raise AssertionError("nothing is to be trained")

    monkeypatch.setattr("mvt_nas.nas.runners.evaluation.train_candidate", never)
    second = run_search(
        tmp_path / "second", objectives=["trained_accuracy:max", "macs:min"], seed=0
    )
    assert (second.cached, facts(second.run)) == (6, facts(expected.run))
    assert not (tmp_path / "second" / FOLDER).exists()
    assert (
        run_search(
            tmp_path / "other",
            TrainingImages(protocol=dataclasses.replace(PICTURES.protocol, epochs=1)),
        ).cached
        == 0
    )  # type: ignore[type-var]


@pytest.mark.parametrize("objective", ["raising", "undefined", "exiting"])
def test_failures_are_not_kept(
    objective: str, tmp_path: Path, evaluated: list[tuple[str, ...]]
) -> None:
    expected = run_small(tmp_path / "plain", "weights", objective, cache=False)
    failed = sum(c.status == "failed" for c in expected.run.candidates.values())
    assert 0 < failed < 12
    run_small(tmp_path / "first", "weights", objective)
    evaluated.clear()
    second = run_small(tmp_path / "second", "weights", objective)
    assert evaluated == [("weights", objective)] * failed
    assert facts(second.run) == facts(expected.run)
    assert cache_contents(cache_path()).by_metric == {
        "weights": 12 - failed,
        objective: 12 - failed,
    }


@pytest.mark.parametrize("objective", ["raising", "exiting"])
def test_a_candidate_of_which_a_part_is_kept_fails_as_it_does_without(
    objective: str, tmp_path: Path, evaluated: list[tuple[str, ...]]
) -> None:
    expected = run_small(tmp_path / "plain", "weights", objective, sampler="random", cache=False)
    run_small(tmp_path / "first", "weights", sampler="random")
    evaluated.clear()
    second = run_small(tmp_path / "second", "weights", objective, sampler="random")
    assert facts(second.run) == facts(expected.run)
    assert evaluated.count((objective,)) == 12
    assert evaluated.count(("weights", objective)) == sum(
        c.status == "failed" for c in expected.run.candidates.values()
    )


class Echo:
    """A runner that answers from the last task to the first."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def run(self, tasks: Sequence[EvaluationTask]) -> Iterator[Outcome]:
        self.asked.append([task.number for task in tasks])
        for one in reversed(tasks):
            yield Outcome(one.number, {"weights": float(one.number)}, None, 1.5, {"weights": 1.5})

    def close(self) -> None:
        self.asked.append([])


def test_what_is_in_the_cache_stands_in_its_place() -> None:
    space = small_space()
    tasks = [
        scoring_task(number=n, architecture=space.decode(row))
        for n, row in enumerate(np.unique(space.sample(60, 0), axis=0)[:6])
    ]
    inner = Echo()
    list(
        CachedRunner(EvaluationCache(cache_path()), lambda: inner).run(
            [tasks[n] for n in (0, 2, 3)]
        )
    )
    runner = CachedRunner(EvaluationCache(cache_path()), lambda: inner)
    outcomes = list(runner.run(tasks))
    assert inner.asked == [[0, 2, 3], [1, 4, 5]]
    assert [outcome.number for outcome in outcomes] == [0, 2, 3, 5, 4, 1]
    assert all(
        (o.scores, o.seconds, o.error) == ({"weights": float(o.number)}, 1.5, None)
        for o in outcomes
    )
    runner.close()
    assert inner.asked[2:] == [[]]


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    "trouble",
    [
        "a file for a folder",
        "no such device",
        "nobody",
        "garbage",
        "another table",
        "a folder for a file",
    ],
)
def test_a_search_goes_on_without_a_cache(
    trouble: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    if trouble == "a file for a folder":
        cache_path().parent.parent.mkdir()
        cache_path().parent.touch()
    elif trouble == "no such device":
        monkeypatch.setenv(
            "XDG_CACHE_HOME", "/proc"
        )  # in which nobody can write, not even an administrator
    elif trouble == "nobody":
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setattr(Path, "home", nobody)
        assert cache_home("images").parts[-2:] == ("mvt-nas", "images")
    else:
        cache_path().parent.mkdir(parents=True)
        if trouble == "garbage":
            cache_path().write_bytes(b"garbage" * 1000)
        elif trouble == "another table":
            sqlite3.connect(cache_path()).execute(
                "CREATE TABLE evaluations (a, b)"
            ).connection.close()
        else:
            cache_path().mkdir()
    found = run_small(tmp_path / "run", "weights")
    assert (len(found.run.complete()), found.cached) == (12, 0)
    (line,) = warnings_of(caplog)
    assert "evaluations are not kept, the search continues without (" in line
    assert "\n" not in line
    assert facts(run_small(tmp_path / "plain", "weights", cache=False).run) == facts(found.run)
    assert len(warnings_of(caplog)) == 1


def nobody() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_a_full_disk_ends_the_keeping_and_not_the_search(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    evaluated: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import mvt_nas.nas.cache.store as cache_module

    run_small(tmp_path / "before", "weights", trials=4)
    original = cache_module.connect

    def small_disk(path: Path) -> sqlite3.Connection:
        database = original(path)
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        database.execute(f"PRAGMA max_page_count = {pages}")
        return database

    monkeypatch.setattr(cache_module, "connect", small_disk)
    monkeypatch.setattr(
        cache_module, "_checksum", lambda *parts: "x" * 5000
    )  # no room for a single one
    found = run_small(tmp_path / "full", "weights")
    assert [line for line in warnings_of(caplog) if "full" in line] == warnings_of(caplog)
    assert len(warnings_of(caplog)) == 1
    assert len(found.run.complete()) == 12


def test_the_environment_turns_it_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFF, "1")
    run_small(tmp_path, "weights")
    assert not cache_path().exists()


@pytest.mark.slow
@pytest.mark.usefixtures("forked_workers")
def test_two_workers_use_the_cache_and_find_what_one_finds(tmp_path: Path) -> None:
    whole = run_small(tmp_path / "plain", "log_synflow", cache=False)
    run_small(tmp_path / "part", "log_synflow", trials=6)
    found = run_small(tmp_path / "two", "log_synflow", workers=2)
    assert (
        found.cached >= 4
    )  # the first batch; what a search of six asks for then need not be the same
    assert facts(found.run) == facts(whole.run)
