"""Killed searches lose no finished candidate, leave nothing behind, and resume equally."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from mvt_nas.nas.api import search
from mvt_nas.nas.runs.run import Run
from mvt_nas.nas.runs.store import NAME, read
from tests.support.ray_nodes import cluster
from tests.support.search_processes import (
    SCRIPT,
    SETTINGS,
    command,
    kill,
    members,
    start,
    wait_for_lines,
)
from tests.support.searches import facts, install_throwaway_proxies


@pytest.fixture(scope="module")
def throwaway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("throwaway")
        install_throwaway_proxies(folder, patch)
        patch.setenv("PYTHONPATH", str(folder))
        patch.setenv("THROWAWAY_SECONDS", "0.0")
        yield folder


@cache
def uninterrupted() -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        return facts(search("tiny", **SETTINGS, out=folder).run)


def kill_and_resume(lines: int, delay: float, folder: Path, throwaway: Path, runner: str) -> int:
    """Kill a search with two workers, resume it, and return the number of kept candidates.

    It is killed ``delay`` seconds after its store has ``lines`` lines.
    """
    process = start(SCRIPT, folder, throwaway, 0.02, runner)
    wait_for_lines(folder, lines, process)
    time.sleep(delay)
    assert kill(process, 5 if runner == "local" else 30), "workers outlive the search"
    found = read(folder)
    intact = (folder / NAME).read_bytes()[: found.intact] if (folder / NAME).exists() else b""
    run = search("tiny", **SETTINGS, out=folder, resume=True).run
    assert facts(run) == uninterrupted()
    assert (folder / NAME).read_bytes().startswith(intact)
    assert all(
        run.candidates[number] == candidate for number, candidate in found.candidates.items()
    )
    return len(found.candidates)


LASTING = """
from tests.support import instant_evaluation as light_work
from mvt_nas.nas.problem.config import Scoring
from mvt_nas.nas.runners.evaluation import EvaluationTask
from mvt_nas.nas.runners.process_pool import WorkerPool
from mvt_nas.space.published import zoo

if __name__ == "__main__":
    network = zoo("mobilevit_s")
    tasks = [EvaluationTask(number, network, (), Scoring(), 0) for number in range(2)]
    list(WorkerPool(2, light_work.lasts_for_ever).run(tasks))
"""


@pytest.mark.slow
def test_workers_do_not_outlive_a_killed_search_whatever_they_compute(
    throwaway: Path, tmp_path: Path
) -> None:
    process = start(LASTING, tmp_path, throwaway, 0.0)
    while not (throwaway / "started").exists():
        assert process.poll() is None
        time.sleep(0.01)
    assert len(members(process.pid)) >= 3
    assert kill(process), "workers outlive the search"


def kill_worker(chance: random.Random, folder: Path, throwaway: Path, runner: str) -> None:
    """Kill a worker of a search at a random moment; the search goes on to the same end."""
    process = start(SCRIPT, folder, throwaway, 0.05, runner)
    wait_for_lines(folder, chance.randrange(1, 25), process)
    time.sleep(0.05 * chance.random())
    workers = [
        pid
        for pid in members(process.pid)
        if command(pid).startswith(("ray::_evaluated", "ray::IDLE")) or "spawn_main" in command(pid)
    ]
    os.kill(chance.choice(workers), signal.SIGKILL)
    output, errors = process.communicate(timeout=120)
    assert (output, errors, process.returncode) == ("interrupted False\n", "", 0)
    assert facts(Run.load(folder)) == uninterrupted()


def kill_node(chance: random.Random, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill one of two Ray nodes at a random moment of a search, which goes on to the same end."""
    monkeypatch.setenv("THROWAWAY_SECONDS", "0.1")
    after, delay = chance.randrange(1, 24), 0.1 * chance.random()
    heard = threading.Event()

    def listen(run: Run, _: object) -> None:
        if len(run.candidates) >= after:
            heard.set()

    def remove_node() -> None:
        heard.wait()
        time.sleep(delay)
        made.remove_node(next(iter(made.worker_nodes)), allow_graceful=False)

    with cluster() as made:
        thread = threading.Thread(target=remove_node)
        thread.start()
        run = search("tiny", **SETTINGS, ray_address=made.address, listener=listen, out=folder).run
        thread.join()
    assert facts(run) == uninterrupted()


RUNNERS = ("local", "ray")


@pytest.mark.slow
@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("seed", range(1))
def test_a_killed_search_goes_on_where_it_was(
    seed: int, runner: str, throwaway: Path, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    assert (
        0
        < kill_and_resume(
            chance.randrange(1, 25), 0.02 * chance.random(), tmp_path / "run", throwaway, runner
        )
        < 24
    )


@pytest.mark.slow
def test_a_search_goes_on_when_a_worker_is_killed(throwaway: Path, tmp_path: Path) -> None:
    """That of Ray does in ``test_ray.py``, and with a driver of its own in ``soak``."""
    kill_worker(random.Random(0), tmp_path / "run", throwaway, "local")


@pytest.mark.soak
@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("seed", range(1, 23))
def test_a_search_killed_at_many_moments_goes_on_where_it_was(
    seed: int, runner: str, throwaway: Path, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    lines = chance.choice([0, chance.randrange(1, 31)])
    kill_and_resume(
        lines, chance.random() * (0.1 if lines else 4.0), tmp_path / "run", throwaway, runner
    )


@pytest.mark.soak
@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("seed", range(23))
def test_a_search_goes_on_when_workers_are_killed_at_many_moments(
    seed: int, runner: str, throwaway: Path, tmp_path: Path
) -> None:
    kill_worker(random.Random(seed), tmp_path / "run", throwaway, runner)


@pytest.mark.soak
@pytest.mark.usefixtures("throwaway")
@pytest.mark.parametrize("seed", range(23))
def test_a_search_goes_on_when_nodes_are_killed_at_many_moments(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_node(random.Random(seed), tmp_path / "run", monkeypatch)
