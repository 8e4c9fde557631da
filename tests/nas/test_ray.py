"""The Ray runner: it changes no result on one node or several, and survives losing a node."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mvt_nas.errors import MetricError, PluginError, RunError
from mvt_nas.nas.api import SearchResult, search
from mvt_nas.nas.runners import ray as ray_runner
from mvt_nas.nas.runners.base import Resources
from mvt_nas.nas.runners.evaluation import DIED_TWICE, EvaluationTask
from mvt_nas.nas.runners.ray import RayRunner
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from tests.nas import test_rungs
from tests.nas.test_candidate_training import run_search
from tests.support.ray_nodes import RayNodes, cluster, connected
from tests.support.searches import SCORING, facts, install_throwaway_proxies, small_space

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(ray_nodes: RayNodes) -> Iterator[str]:
    """The cluster that tests share; this process knows the throw-away proxies of its workers."""
    with pytest.MonkeyPatch.context() as patch:
        install_throwaway_proxies(ray_nodes.throwaway, patch)
        yield ray_nodes.address


@pytest.fixture(scope="module")
def connection(address: str, ray_nodes: RayNodes) -> Iterator[str]:
    """The address of the cluster; this process stays connected, so that workers are used again."""
    with connected(ray_nodes):
        yield address


def tasks(n: int) -> list[EvaluationTask]:
    architecture = small_space().decode(small_space().sample(1, 0)[0])
    return [EvaluationTask(number, architecture, ("macs",), SCORING, seed=0) for number in range(n)]


@pytest.mark.parametrize("workers", [None, 1])
def test_ray_finds_what_one_process_finds(
    workers: int | None, address: str, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {
        "objectives": ["log_synflow", "macs"],
        "budgets": ["channel_entropy<=11.7"],
        "scoring": SCORING,
    }
    settings |= {"trials": 26, "batch": 4, "sampler": "tpe"}
    here = search("tiny", **settings, out=tmp_path / "here").run
    there = search(
        "tiny", **settings, ray_address=address, workers=workers, out=tmp_path / "there"
    ).run
    assert facts(there) == facts(here)
    assert {candidate.status for candidate in here.candidates.values()} == {
        "complete",
        "infeasible",
    }


def test_trainings_get_their_pictures_from_the_driver(connection: str, tmp_path: Path) -> None:
    whole = run_search(tmp_path / "here").run
    assert facts(run_search(tmp_path / "there", ray_address=connection).run) == facts(whole)
    assert len(whole.complete()) == 6


@pytest.fixture(scope="module")
def climbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The facts of a search with rungs in this process."""
    return facts(climb(tmp_path_factory.mktemp("climbed") / "run").run)


def climb(out: Path, **settings: Any) -> SearchResult:
    """Search with rungs: six candidates, of which three and then two are trained for longer."""
    return test_rungs.run_search(out, trials=6, batch=3, **settings)


def test_ray_tune_changes_nothing(climbed: dict[str, Any], connection: str, tmp_path: Path) -> None:
    found = climb(tmp_path / "a", ray_address=connection).run
    assert facts(found) == climbed
    assert not (tmp_path / "a" / "training").exists()


def test_a_climb_under_ray_tune_that_is_interrupted_goes_on_here(
    climbed: dict[str, Any], connection: str, tmp_path: Path
) -> None:
    def interrupts(run: Run, _: Candidate) -> None:
        if run.promotion_begun:
            raise KeyboardInterrupt

    settings: dict[str, Any] = {"ray_address": connection, "listener": interrupts}
    assert climb(tmp_path / "a", **settings).interrupted
    assert facts(climb(tmp_path / "a", resume=True).run) == climbed


@pytest.mark.soak
def test_ray_tune_goes_on_when_a_node_is_killed(climbed: dict[str, Any], tmp_path: Path) -> None:
    with cluster() as made:

        def kills_a_node(run: Run, _: Candidate) -> None:
            if run.promotion_begun and made.worker_nodes:
                made.remove_node(next(iter(made.worker_nodes)), allow_graceful=False)

        settings: dict[str, Any] = {"ray_address": made.address, "listener": kills_a_node}
        assert facts(climb(tmp_path / "a", **settings).run) == climbed


def test_a_candidate_that_kills_its_worker_fails_alone(connection: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"trials": 8, "batch": 4, "scoring": SCORING, "sampler": "random"}
    run = search(
        small_space(), **settings, objectives=["dying"], ray_address=connection, out=tmp_path / "a"
    ).run
    same = search(small_space(), **settings, objectives=["raising"], out=tmp_path / "b").run
    assert {candidate.error for candidate in run.candidates.values()} == {None, DIED_TWICE}
    assert [run.candidates[n].status for n in range(8)] == [
        same.candidates[n].status for n in range(8)
    ]


def test_a_candidate_whose_worker_is_killed_is_evaluated_again(
    connection: str, ray_nodes: RayNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each evaluation takes a tenth of a second, so that one is killed in the middle of it."""
    monkeypatch.setenv("THROWAWAY_SECONDS", "0.0")
    settings: dict[str, Any] = {"trials": 8, "batch": 4, "scoring": SCORING, "sampler": "random"}
    settings |= {"objectives": ["slow"]}
    killed: list[int] = []

    def kills_a_worker(_run: Run, _candidate: Candidate) -> None:
        busy = [] if killed else ray_nodes.workers("ray::_evaluated")
        for worker in busy[:1]:
            os.kill(worker, signal.SIGKILL)
            killed.append(worker)

    run = search(
        small_space(),
        **settings,
        ray_address=connection,
        listener=kills_a_worker,
        out=tmp_path / "a",
    ).run
    assert len(killed) == 1
    assert facts(run) == facts(search(small_space(), **settings, out=tmp_path / "b").run)


def test_a_node_with_other_software_is_refused(
    connection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_runner, "software_versions", lambda: {"torch": "0.1", "gone": "1"})
    with (
        contextlib.closing(RayRunner(Resources(address=connection))) as made,
        pytest.raises(RunError, match=r"has torch .*, not 0\.1; gone missing, not 1: "),
    ):
        list(made.run(tasks(1)))


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        (
            Resources(address="auto:"),
            r"ray_address: auto: cannot be read; auto, or HOST:PORT such as",
        ),
        (
            Resources(address="127.0.0.1:1"),
            r"ray_address: 127\.0\.0\.1:1: no cluster can be reached there \(.*refused",
        ),
        (
            Resources(address="127.0.0.1:99999"),
            r"ray_address: 127\.0\.0\.1:99999: no cluster can be reached there",
        ),
    ],
)
def test_a_cluster_that_is_not_there_is_a_clear_error(resources: Resources, message: str) -> None:
    with pytest.raises(RunError, match=message):
        RayRunner(resources)


def test_an_evaluation_that_fits_no_node_is_refused_before_it_waits(connection: str) -> None:
    message = (
        r"Ray at .*: no node has 3 CPUs and 0\.5 GPUs for an evaluation \(there are 1 and 0;"
        r" 1 and 0\)"
    )
    with pytest.raises(RunError, match=message):
        RayRunner(Resources(address=connection, cpus=3, gpus=0.5))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"workers": 0}, "workers: 0 is not allowed; an integer from 1"),
        ({"cpus": 0.0}, "cpus_per_trial: 0.0 is not allowed; a number above 0"),
        ({"gpus": -1}, "gpus_per_trial: -1 is not allowed; a number from 0"),
    ],
)
def test_resources_are_checked(values: dict[str, Any], message: str) -> None:
    with pytest.raises(MetricError, match=message):
        Resources(**values)


def test_an_address_is_of_no_use_to_the_local_runner(tmp_path: Path) -> None:
    with pytest.raises(MetricError, match="ray_address: auto is of no use with the runner 'local'"):
        search("tiny", objectives=["macs"], runner="local", ray_address="auto", out=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_without_ray_it_says_how_to_get_it_before_there_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mvt_nas.nas.runners.ray_cluster.installed", lambda name: False)
    with pytest.raises(
        RunError,
        match=r"runner: Ray is not installed: pip install 'mvt-nas\[ray\]'",
    ):
        search(small_space(), objectives=["log_synflow"], runner="ray", out=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_wrong_address_is_told_before_there_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no cluster can be reached there"):
        search(
            small_space(), objectives=["log_synflow"], ray_address="127.0.0.1:1", out=tmp_path / "a"
        )
    with pytest.raises(PluginError, match=r"unknown runner 'kubernetes' \(known: local, ray\)"):
        search(small_space(), objectives=["log_synflow"], runner="kubernetes", out=tmp_path / "a")
    assert not (tmp_path / "a").exists()
