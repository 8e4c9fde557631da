"""Worker processes: they change no result, and one that dies costs its own candidate only."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mvt_nas.errors import RunError
from mvt_nas.nas.api import search
from mvt_nas.nas.runners.base import Resources, Runner, RunnerKind
from mvt_nas.nas.runners.evaluation import DIED_TWICE, EvaluationTask
from mvt_nas.nas.runners.local import InProcessRunner, local
from mvt_nas.nas.runners.process_pool import WorkerPool
from mvt_nas.nas.runs.store import NAME, read
from mvt_nas.nas.samplers.base import SAMPLERS
from tests.support import instant_evaluation as light_work
from tests.support.forked_workers import fork_workers
from tests.support.search_processes import (
    SCRIPT,
    SETTINGS,
    members,
    start,
    wait_for_lines,
    wait_until_none_is_left,
)
from tests.support.searches import (
    SCORING,
    TRIALS,
    breed_early,
    facts,
    install_throwaway_proxies,
    small_space,
)


@pytest.fixture(scope="module", autouse=True)
def throwaway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("throwaway")
        install_throwaway_proxies(folder, patch)
        patch.setenv("THROWAWAY_SECONDS", "0.0")
        yield folder


@pytest.fixture(scope="module")
def pool(throwaway: Path) -> Iterator[WorkerPool]:
    with pytest.MonkeyPatch.context() as patch:
        fork_workers(patch)
        processes = WorkerPool(2)
    yield processes
    processes.close()


@pytest.fixture
def _shared_pool(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all searches with two workers use the same two; those that replace them are forked."""
    fork_workers(monkeypatch)

    class Borrowed:
        run = staticmethod(pool.run)

        def close(self) -> None:
            """Leave the pool open."""

    def make(resources: Resources) -> Runner:
        return InProcessRunner() if resources.workers == 1 else Borrowed()

    monkeypatch.setattr("mvt_nas.nas.options.RUNNERS", {"local": RunnerKind(make, lambda _: None)})


@pytest.mark.slow
@pytest.mark.usefixtures("_shared_pool")
@pytest.mark.parametrize(
    "sampler",
    [
        pytest.param(name, marks=() if name in ("mvt", "nsga2") else pytest.mark.soak)
        for name in SAMPLERS.names()
    ],
)
def test_two_workers_find_what_one_finds(
    sampler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breed_early(monkeypatch)
    settings: dict[str, Any] = {
        "objectives": ["log_synflow", "macs"],
        "budgets": ["channel_entropy<=11.7"],
        "scoring": SCORING,
    }
    settings |= {"trials": TRIALS.get(sampler, 26), "batch": 4, "sampler": sampler}
    runs = [
        search("tiny", **settings, workers=workers, out=tmp_path / str(workers)).run
        for workers in (1, 2)
    ]
    assert facts(runs[0]) == facts(runs[1])
    assert {candidate.status for candidate in runs[0].candidates.values()} == {
        "complete",
        "infeasible",
    }


def tasks(n: int, folder: Path | None = None) -> list[EvaluationTask]:
    architecture = small_space().decode(small_space().sample(1, 0)[0])
    return [
        EvaluationTask(number, architecture, ("macs",), SCORING, seed=0, folder=folder)
        for number in range(n)
    ]


def told(
    processes: WorkerPool, n: int, folder: Path | None = None
) -> dict[int, tuple[dict[str, float], str | None]]:
    outcomes = list(processes.run(tasks(n, folder)))
    assert len({outcome.number for outcome in outcomes}) == len(outcomes)
    return {outcome.number: (dict(outcome.scores), outcome.error) for outcome in outcomes}


@pytest.mark.slow
@pytest.mark.usefixtures("forked_workers")
def test_a_task_that_kills_its_worker_fails_alone() -> None:
    with contextlib.closing(WorkerPool(2, light_work.dies_on_every_fifth)) as processes:
        for _ in range(2):
            assert told(processes, 8) == {
                n: ({}, DIED_TWICE) if n % 5 == 2 else ({"number": n}, None) for n in range(8)
            }


@pytest.mark.usefixtures("forked_workers")
def test_a_task_whose_worker_died_is_tried_once_more(tmp_path: Path) -> None:
    with contextlib.closing(WorkerPool(2, light_work.dies_once)) as processes:
        assert told(processes, 6, tmp_path) == {n: ({"number": n}, None) for n in range(6)}
        assert (tmp_path / "died").exists()


@pytest.mark.usefixtures("forked_workers")
def test_workers_that_were_killed_while_idle_are_replaced() -> None:
    with contextlib.closing(WorkerPool(2, light_work.counts)) as processes:
        expected = {n: ({"number": n}, None) for n in range(4)}
        assert told(processes, 4) == expected
        for worker in processes._workers:
            worker.process.kill()
            worker.process.join()
        assert told(processes, 4) == expected
        assert told(processes, 0) == {}


@pytest.mark.usefixtures("forked_workers")
def test_workers_that_cannot_start_are_an_error_and_no_endless_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mvt_nas.nas.runners.process_pool._work", light_work.ends_at_once)
    message = (
        r"a worker process ended while it started \(exit code 5\); in a script, search\(\) has"
        r" to be"
    )
    with contextlib.closing(WorkerPool(2)) as processes, pytest.raises(RunError, match=message):
        list(processes.run(tasks(3)))


def test_processes_that_the_system_refuses_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("multiprocessing.context.SpawnProcess.start", refuse)
    with pytest.raises(
        RunError,
        match=(
            r"workers: no worker process could be started \(Resource temporarily unavailable\);"
            r" try fewer"
        ),
    ):
        WorkerPool(2)


@pytest.mark.slow
@pytest.mark.usefixtures("_shared_pool")
def test_a_search_goes_on_when_a_worker_dies(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"trials": 8, "batch": 4, "scoring": SCORING, "sampler": "random"}
    run = search(small_space(), **settings, objectives=["dying"], workers=2, out=tmp_path / "a").run
    same = search(small_space(), **settings, objectives=["raising"], out=tmp_path / "b").run
    assert {candidate.error for candidate in run.candidates.values()} == {None, DIED_TWICE}
    assert [run.candidates[n].status for n in range(8)] == [
        same.candidates[n].status for n in range(8)
    ]
    assert [run.candidates[n].scores.get("dying") for n in range(8)] == [
        same.candidates[n].scores.get("raising") for n in range(8)
    ]


def test_one_worker_is_this_process() -> None:
    assert isinstance(local(Resources()), InProcessRunner)


UNGUARDED = """
import sys

from tests.support.search_processes import SETTINGS
from mvt_nas import search

search("tiny", **SETTINGS, workers=2, out=sys.argv[1])
"""


@pytest.mark.slow
def test_a_script_without_a_guard_gets_a_clear_error(throwaway: Path, tmp_path: Path) -> None:
    process = start(UNGUARDED, tmp_path / "run", throwaway, 0.0)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    hint = 'in a script, search() has to be called under: if __name__ == "__main__":'
    assert (
        errors.rstrip().splitlines()[-1]
        == f"mvt_nas.errors.RunError: a worker process ended while it started (exit code 1); {hint}"
    )
    assert f"came upon a search while it imported the script that had started it; {hint}" in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    assert wait_until_none_is_left(process.pid, 5)
    expected = search("tiny", **SETTINGS, out=tmp_path / "whole").run
    assert facts(search("tiny", **SETTINGS, out=tmp_path / "run", resume=True).run) == facts(
        expected
    )


STARTING = """
import os
import time
from pathlib import Path

from tests.support import instant_evaluation as light_work
from tests.support.forked_workers import fork_workers
from mvt_nas.nas.problem.config import Scoring
from mvt_nas.nas.runners.evaluation import DIED_TWICE, EvaluationTask
from mvt_nas.nas.runners.process_pool import WorkerPool
from mvt_nas.space.published import zoo

if __name__ == "__mp_main__":
    Path(os.environ["LIGHT_WORK_MARKER"]).touch()
    time.sleep(1.0)
if __name__ == "__main__":
    tasks = [EvaluationTask(n, zoo("mobilevit_s"), (), Scoring(), 0) for n in range(4)]
    print(len(list(WorkerPool(2, light_work.counts).run(tasks))))
"""


def test_ctrl_c_does_not_reach_workers_while_they_start(throwaway: Path, tmp_path: Path) -> None:
    (throwaway / "started").unlink(missing_ok=True)
    process = start(STARTING, tmp_path, throwaway, 0.0)
    while not (throwaway / "started").exists():
        assert process.poll() is None
        time.sleep(0.01)
    for member in members(process.pid):
        if member != process.pid:
            os.kill(member, signal.SIGINT)
    assert process.communicate(timeout=30) == ("4\n", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        pytest.param(0, 0.05, marks=pytest.mark.soak),
        pytest.param(9, 0.05, marks=pytest.mark.soak),
        (0, 3600.0),
    ],
)
def test_ctrl_c_ends_a_search_with_workers_cleanly(
    lines: int, seconds: float, throwaway: Path, tmp_path: Path
) -> None:
    process = start(SCRIPT, tmp_path / "run", throwaway, seconds)
    started = throwaway / "started"
    started.unlink(missing_ok=True)
    while not (
        started if seconds > 1 else tmp_path / "run" / NAME
    ).exists():  # the first evaluation, or the workers' start
        assert process.poll() is None
        time.sleep(0.01)
    wait_for_lines(tmp_path / "run", lines, process)
    time.sleep(0.1)
    before = set(read(tmp_path / "run").candidates)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the driver and to all workers
    sent = time.monotonic()
    output, errors = process.communicate(timeout=30)
    assert time.monotonic() - sent < 3
    assert (output, errors, process.returncode) == ("interrupted True\n", "", 0)
    assert wait_until_none_is_left(process.pid, 5)
    kept = set(read(tmp_path / "run").candidates)
    assert before <= kept < set(range(24))
    expected = search("tiny", **SETTINGS, out=tmp_path / "whole").run
    assert facts(search("tiny", **SETTINGS, out=tmp_path / "run", resume=True).run) == facts(
        expected
    )
