"""``mvt-nas cache``, and what ``mvt-nas search`` says of the cache and of its end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mvt_nas.nas.cache.store import OFF, CacheEntry, EvaluationCache, cache_path
from tests.support import cli

SEARCH = (
    "search",
    "tiny",
    "--objective",
    "log_synflow",
    "--objective",
    "macs",
    "--score-px",
    "32",
    "--score-images",
    "4",
)
DAY = 86_400.0


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(OFF)


def run(*arguments: str, code: int = 0) -> tuple[str, str]:
    """Return the standard output and the standard error of a command that ends with the code."""
    found, out, err = cli.run(*arguments)
    assert found == code, err
    return out, err


def info() -> Any:
    return cli.run_json("cache", "info")


def fill(*entries: tuple[str, str, float]) -> None:
    """Keep entries: key, metric, and how many days ago they were made."""
    cache = EvaluationCache(cache_path())
    cache.keep(CacheEntry(key, metric, 1.0, 0.5) for key, metric, _ in entries)
    cache.close()
    with contextlib.closing(sqlite3.connect(cache_path())) as database, database:
        made = [(time.time() - days * DAY, key) for key, _, days in entries]
        database.executemany("UPDATE evaluations SET made = ? WHERE key = ?", made)


def test_a_cache_that_was_never_used_is_empty_and_is_not_made() -> None:
    expected = {
        "path": str(cache_path()),
        "used": True,
        "entries": 0,
        "by_metric": {},
        "bytes": 0,
        "oldest": None,
        "newest": None,
    }
    assert info() == expected
    assert run("cache", "info")[0] == f"no evaluations are kept\n{cache_path()}\n"
    assert run("cache", "prune", "--older-than", "3")[0] == "0 evaluations are removed\n"
    assert run("cache", "prune", "--all")[0] == "all evaluations are removed\n"
    assert not cache_path().parent.exists()


def test_info_counts_by_metric() -> None:
    fill(("a", "zen", 3.0), ("b", "zen", 1.0), ("c", "naswot", 2.0))
    found = info()
    assert (found["entries"], found["by_metric"]) == (3, {"naswot": 1, "zen": 2})
    assert found["bytes"] == sum(
        path.stat().st_size for path in cache_path().parent.glob("*.sqlite*")
    )
    ages = [
        (datetime.now().astimezone() - datetime.fromisoformat(found[name])).total_seconds() / DAY
        for name in ("oldest", "newest")
    ]
    assert ages == pytest.approx([3, 1], abs=0.01)
    text = run("cache", "info")[0].splitlines()
    assert text[2:4] == ["naswot            1", "zen               2"]
    assert re.fullmatch(r"3 evaluations, [0-9.]+ kB, made from 2\S+ to 2\S+", text[5])
    assert text[6] == str(cache_path())


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (("--older-than", "1.5"), {"b"}),
        (("--metric", "zen"), {"c"}),
        (("--older-than", "1.5", "--metric", "zen"), {"b", "c"}),
        (("--older-than", "0"), set()),
        (("--metric", "nothing"), {"a", "b", "c"}),
    ],
)
def test_prune_removes_what_it_is_told_to(options: tuple[str, ...], left: set[str]) -> None:
    fill(("a", "zen", 3.0), ("b", "zen", 1.0), ("c", "naswot", 2.0))
    assert run("cache", "prune", *options)[0] == f"{3 - len(left)} evaluations are removed\n"
    assert set(EvaluationCache(cache_path()).find(["a", "b", "c"])) == left


def test_prune_makes_the_file_smaller() -> None:
    fill(*((str(n), "zen", 1.0) for n in range(1000)))
    before = info()["bytes"]
    run("cache", "prune", "--metric", "zen")
    assert info()["bytes"] < before / 4


@pytest.mark.parametrize(
    "options", [(), ("--all", "--metric", "zen"), ("--all", "--older-than", "0")]
)
def test_prune_has_to_be_told_what(options: tuple[str, ...]) -> None:
    fill(("a", "zen", 3.0))
    out, err = run("cache", "prune", *options, code=2)
    assert (out, err.count("\n")) == ("", 1)
    assert "say what to remove: --older-than DAYS, --metric NAME or both, or --all alone" in err
    assert info()["entries"] == 1


def test_a_damaged_cache_is_said_to_be_and_can_be_removed() -> None:
    cache_path().parent.mkdir(parents=True)
    cache_path().write_bytes(b"garbage" * 1000)
    for command in (("info",), ("prune", "--metric", "zen")):
        _, err = run("cache", *command, code=2)
        where = f"mvt-nas: error: {cache_path()}: cannot be used "
        assert err == f"{where}(file is not a database); mvt-nas cache prune --all removes it\n"
    run("cache", "prune", "--all")
    assert info()["entries"] == 0
    run(*SEARCH, "--trials", "3", "--out", "r")
    assert info()["entries"] == 3


def test_searches_use_it_and_say_so() -> None:
    words = "candidates were in the cache of evaluations (mvt-nas cache info)"
    assert words not in run(*SEARCH, "--trials", "5", "--out", "none", "--no-cache")[0]
    assert info()["entries"] == 0
    assert words not in run(*SEARCH, "--trials", "5", "--out", "first")[0]
    assert f"5 {words}" in run(*SEARCH, "--trials", "5", "--out", "second")[0]
    assert words not in run(*SEARCH, "--trials", "5", "--out", "third", "--no-cache")[0]
    assert (
        Path("first/candidates.csv").read_bytes()
        == Path("second/candidates.csv").read_bytes()
        == Path("none/candidates.csv").read_bytes()
    )
    assert info()["by_metric"] == {"log_synflow": 5}


def test_a_cache_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    environment = os.environ | {"XDG_CACHE_HOME": "/proc", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "mvt_nas", *SEARCH, "--trials", "2", "--out", "r"]
    found = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    reason = "evaluations are not kept, the search continues without (No such file or directory)"
    assert (
        found.stderr.splitlines()[0] == f"/proc/mvt-nas/evaluations/evaluations-1.sqlite: {reason}"
    )
    assert found.stderr.count("not kept") == 1
    assert "All 2 trials are done." in found.stdout


def test_info_says_that_it_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFF, "1")
    assert info()["used"] is False
    assert run("cache", "info")[0].endswith("searches do not use it: MVT_NAS_NO_CACHE is set\n")


COSTS = (
    "search",
    "tiny",
    "--objective",
    "macs",
    "--objective",
    "params",
    "--sampler",
    "random",
    "--batch",
    "4",
    "--out",
    "r",
)


def said(out: str) -> str:
    """Return the line on how a search ended."""
    return out.split("\n\n")[-2].splitlines()[-1]


def test_a_search_says_how_it_ended_and_how_to_go_on() -> None:
    go_on = "Resume with:  mvt-nas search --resume --out r"
    assert said(run(*COSTS, "--trials", "4")[0]) == f"All 4 trials are done. {go_on} --trials 8"
    minutes = ("--minutes", "0.0000001")
    out = run("search", "--resume", "--out", "r", "--trials", "40", *minutes)[0]
    assert said(out) == f"The minutes are over; everything is kept. {go_on}"
    out = run(
        "search",
        "--resume",
        "--out",
        "r",
        "--stop-when",
        "stalled:2",
        "--trials",
        "900",
    )[0]
    stalled = (
        f"Stalled: over the last 2 candidates the front grew by no more than 0.1 %. {go_on}"
        " --stop-when never"
    )
    assert said(out) == said(run("search", "--resume", "--out", "r")[0]) == stalled
    assert json.loads(run("search", "--resume", "--out", "r", "--json")[0])["reason"] == "stalled"
    out = run("search", "--resume", "--out", "r", "--stop-when", "never", *minutes)[0]
    assert said(out) == f"The minutes are over; everything is kept. {go_on}"


def test_an_exhausted_space_is_said_to_be() -> None:
    Path("one.yaml").write_text(
        "{name: one, resolution_px: 32, stem: {width: 8}, stages: [{width: [8, 16]}]}"
    )
    out = run("search", "one.yaml", "--objective", "macs", "--out", "r")[0]
    assert said(out) == "The space is exhausted: no feasible architecture but these 2 was found."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--stop-when", "stalled"),
            (
                "--stop-when: 'stalled' is not allowed; stalled:N with a number of candidates from"
                " 1, or never"
            ),
        ),
        (("--minutes", "0"), "Invalid value for '--minutes': 0.0 is not in the range x>0."),
    ],
)
def test_wrong_options_are_one_line(options: tuple[str, ...], message: str) -> None:
    _, err = run(*COSTS, *options, code=2)
    assert err.count("\n") == 1
    assert message in err
