"""The cache of evaluations: nothing is evaluated twice, and no damage to it costs a search."""

from __future__ import annotations

import dataclasses
import logging
import math
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvt_nas._io import cache_home
from mvt_nas.nas.api import SearchResult, search
from mvt_nas.nas.cache import keys as cache_keys
from mvt_nas.nas.cache.keys import CacheKeys
from mvt_nas.nas.cache.maintenance import cache_contents
from mvt_nas.nas.cache.runner import CachedRunner
from mvt_nas.nas.cache.store import OFF, CacheEntry, EvaluationCache, cache_path
from mvt_nas.nas.problem.short_training import FOLDER, CandidateTraining
from mvt_nas.nas.request import TrainingImages
from mvt_nas.nas.runners.evaluation import EvaluationTask, Outcome, evaluate
from mvt_nas.nas.runs.store import NAME
from mvt_nas.proxies.base import PROXIES
from tests.nas.test_candidate_training import PICTURES, PROTOCOL, run_search
from tests.support.fake_trainer import install_fake_trainer
from tests.support.searches import SCORING, facts, install_throwaway_proxies, small_space


@pytest.fixture(autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a cache of its own, and throw-away proxies."""
    install_throwaway_proxies(tmp_path_factory.mktemp("throwaway"), monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.delenv(OFF)


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


def test_architectures_that_are_equal_by_construction_are_one_entry() -> None:
    space = small_space()
    names = [dimension.name for dimension in space.dimensions]
    row = space.sample(200, 0)
    row = row[row[:, names.index("stage2.block")] == 0][
        0
    ]  # a stage that is only convolutional has no attention, whatever its code
    other = row.copy()
    other[names.index("stage2.dim")] = 1 - row[names.index("stage2.dim")]
    tasks = [
        EvaluationTask(0, space.decode(space.canonical(codes[None])[0]), ("weights",), SCORING, 0)
        for codes in (row, other)
    ]
    assert row.tolist() != other.tolist()
    assert CacheKeys().of(tasks[0]) == CacheKeys().of(tasks[1])


def task(**changes: Any) -> EvaluationTask:
    return dataclasses.replace(
        EvaluationTask(
            0, small_space().decode(small_space().sample(1, 0)[0]), ("weights",), SCORING, 0
        ),
        **changes,
    )


def key(**changes: Any) -> str:
    found = task(**changes)
    return CacheKeys().of(found)[found.metrics[0]]


def test_a_key_changes_with_all_that_a_score_depends_on_and_with_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys = [
        key(),
        key(seed=1),
        key(metrics=("log_synflow",)),
        key(architecture=small_space().decode(small_space().sample(9, 0)[8])),
    ]
    keys += [
        key(scoring=dataclasses.replace(SCORING, **{name: 8}))
        for name in ("resolution_px", "images", "num_classes")
    ]
    assert key(number=5, folder=tmp_path) == keys[0]
    with monkeypatch.context() as patch:
        patch.setitem(
            PROXIES._entries, "weights", dataclasses.replace(PROXIES.get("weights"), version=2)
        )
        keys.append(key())
    for name, value in (
        ("_NETWORKS", 2),
        ("_processor", lambda: {"cpu": "another"}),
        ("_text_hash", lambda proxy: "edited"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(cache_keys, name, value)
            keys.append(key())
    for package in ("torch", "numpy", "mvt-nas"):
        versions = cache_keys.versions() | {package: "another"}
        with monkeypatch.context() as patch:
            patch.setattr(cache_keys, "versions", lambda versions=versions: versions)
            keys.append(key())
    assert len(set(keys)) == len(keys) == 14
    assert key() == keys[0]


def test_a_key_changes_with_all_that_a_training_depends_on_and_with_nothing_else(
    tmp_path: Path,
) -> None:
    training = CandidateTraining("digits", None, "abc", 10, PROTOCOL, "cpu")
    changes: list[dict[str, Any]] = [
        {},
        {"fingerprint": "abd"},
        {"num_classes": 11},
        {"protocol": dataclasses.replace(PROTOCOL, epochs=3)},
    ]
    keys = [
        key(metrics=("trained_accuracy",), training=dataclasses.replace(training, **change))
        for change in changes
    ]
    keys.append(key(metrics=("trained_accuracy",), training=training, seed=1))
    assert len(set(keys)) == 5
    for change in (
        {"data": "elsewhere"},
        {"limit": 1000},
        {"device": "auto"},
    ):  # equal pictures, and this machine has no other device
        moved = dataclasses.replace(training, **change)  # type: ignore[arg-type]  # each its own kind
        assert (
            key(
                metrics=("trained_accuracy",),
                training=moved,
                scoring=dataclasses.replace(SCORING, images=9),
            )
            == keys[0]
        )


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
        task(number=n, architecture=space.decode(row))
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


VALUES = (0.1 + 0.2, -0.0, 5e-324, 1.7976931348623157e308, -1 / 3, 1e22, 3.0, math.pi)


def test_values_come_back_to_the_last_bit() -> None:
    cache = EvaluationCache(cache_path())
    cache.keep(CacheEntry(str(n), "weights", value, value) for n, value in enumerate(VALUES))
    cache.close()
    found = EvaluationCache(cache_path()).find([str(n) for n in range(2000)])
    assert [found[str(n)].value.hex() for n in range(len(VALUES))] == [
        value.hex() for value in VALUES
    ]
    assert [found[str(n)].seconds.hex() for n in range(len(VALUES))] == [
        value.hex() for value in VALUES
    ]
    assert len(found) == len(VALUES)


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


def test_a_damaged_file_gives_the_very_values_or_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    keys = [f"{n:032x}" for n in range(300)]
    cache = EvaluationCache(cache_path())
    cache.keep(CacheEntry(name, "weights", VALUES[n % 8] + n, 0.25) for n, name in enumerate(keys))
    cache.close()
    whole, chance = cache_path().read_bytes(), random.Random(0)
    path, counts = tmp_path / "damaged", []
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 3, 30))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        for part in ("", "-wal", "-shm"):
            path.with_name(path.name + part).unlink(missing_ok=True)
        path.write_bytes(data[: chance.choice((len(data), chance.randrange(len(data))))])
        damaged = EvaluationCache(path)
        found = damaged.find(keys)
        assert all(
            found[name].value == VALUES[n % 8] + n for n, name in enumerate(keys) if name in found
        )
        damaged.keep([CacheEntry("new", "weights", 1.0, 0.0)])
        damaged.close()
        counts.append(len(found))
    assert {0, 300} < set(counts)
    assert any(0 < count < 300 for count in counts)


WRITER = """
import sys
from mvt_nas.nas.cache.store import EvaluationCache, CacheEntry, cache_path

cache = EvaluationCache(cache_path())
for n in range(int(sys.argv[2])):
    key = f"{n}" if sys.argv[1] == "shared" else f"{sys.argv[1]}-{n}"
    cache.keep([CacheEntry(key, "weights", n / 7, 0.5)])
    assert cache.find([key])[key].value == n / 7
    print(n, flush=True)
"""


def writer(name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, name, str(count)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_several_processes_write_at_once() -> None:
    processes = [writer(name, 200) for name in ("a", "b", "shared", "shared")]
    assert [process.communicate(timeout=60)[1] for process in processes] == [""] * 4
    assert [process.returncode for process in processes] == [0] * 4
    assert cache_contents(cache_path()).entries == 600


def test_what_was_kept_before_a_kill_is_there_after_it() -> None:
    process = writer("a", 10**9)
    assert process.stdout is not None
    while int(process.stdout.readline()) < 300:
        pass
    process.kill()
    last = int((process.communicate()[0].split() or ["300"])[-1])
    found = EvaluationCache(cache_path()).find([f"a-{n}" for n in range(last + 1)])
    assert {name: entry.value for name, entry in found.items()} == {
        f"a-{n}": n / 7 for n in range(last + 1)
    }


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


@pytest.mark.parametrize(
    ("value", "where"), [("", ".cache"), ("relative", ".cache"), ("/somewhere", "/somewhere")]
)
def test_the_home_of_caches(value: str, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_home("evaluations") == Path("/home/someone") / where / "mvt-nas" / "evaluations"
    assert os.fspath(cache_path()).endswith("/mvt-nas/evaluations/evaluations-1.sqlite")
