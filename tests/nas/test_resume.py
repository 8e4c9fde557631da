"""Interrupted, resumed and extended searches are the uninterrupted ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mvt_nas.nas.api import SearchResult, resume_folder, search
from mvt_nas.nas.runs.folder import CONFIG, read_config
from mvt_nas.nas.runs.store import NAME, BatchRecord, Store
from mvt_nas.nas.samplers.base import SAMPLERS
from tests.support.searches import (
    COSTS,
    SCORING,
    TRIALS,
    Interrupting,
    breed_early,
    facts,
    install_throwaway_proxies,
    small_space,
)

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _throwaway(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    install_throwaway_proxies(tmp_path_factory.mktemp("throwaway"), monkeypatch)
    breed_early(monkeypatch)


def run_tiny(out: Path, sampler: str, **changes: Any) -> SearchResult:
    """Search with a score that some candidates fail and a budget on it that some break."""
    settings: dict[str, Any] = {
        "objectives": ["raising:min", "macs"],
        "budgets": ["raising>=4900"],
        "scoring": SCORING,
    }
    settings |= {"trials": TRIALS.get(sampler, 30), "batch": 4, "sampler": sampler, "out": out}
    return search("tiny", **(settings | changes))


@pytest.mark.parametrize("sampler", SAMPLERS.names())
def test_an_interrupted_search_goes_on_as_if_nothing_had_happened(
    sampler: str, tmp_path: Path
) -> None:
    expected = facts(run_tiny(tmp_path / "whole", sampler).run)
    assert {candidate["status"] for candidate in expected["candidates"].values()} == {
        "complete",
        "infeasible",
        "failed",
    }
    done = 0
    for after in (
        1,
        3,
        5,
        1,
        2,
    ):  # in the first batch, at its end, across one, and twice in the same
        result = run_tiny(tmp_path / "parts", sampler, resume=True, listener=Interrupting(after))
        done += after
        assert (result.interrupted, result.exhausted, len(result.run.candidates)) == (
            True,
            False,
            done,
        )
    result = run_tiny(tmp_path / "parts", sampler, resume=True)
    assert not result.interrupted
    assert facts(result.run) == expected


@pytest.mark.parametrize("sampler", SAMPLERS.names())
def test_an_extended_search_is_the_one_that_asked_for_more_from_the_start(
    sampler: str, tmp_path: Path
) -> None:
    trials = TRIALS.get(sampler, 30)
    expected = facts(run_tiny(tmp_path / "whole", sampler).run)
    for fewer in (3, 4, 10, trials - 1, trials):
        run = run_tiny(tmp_path / "parts", sampler, trials=fewer, resume=True).run
        assert len(run.candidates) == fewer
    assert facts(run) == expected


def test_a_search_interrupted_anywhere_goes_on(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"objectives": COSTS, "trials": 14, "batch": 4, "sampler": "tpe"}
    expected = facts(search(small_space(), **settings, out=tmp_path / "whole").run)
    for after in range(1, 15):
        out = tmp_path / str(after)
        assert search(small_space(), **settings, out=out, listener=Interrupting(after)).interrupted
        result = resume_folder(out, trials=None, workers=1)
        assert not result.interrupted
        assert facts(result.run) == expected


def test_a_search_that_died_between_any_two_lines_goes_on(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"objectives": COSTS, "trials": 10, "batch": 4, "sampler": "nsga2"}
    space = small_space().fix(
        {
            "resolution_px": 32,
            "stage2.block": "mobilevit",
            "stage1.width": 8,
            "stage2.width": 24,
            "stem.width": 8,
        }
    )
    assert space.size == 6
    whole = search(space, **settings, out=tmp_path / "whole")
    assert whole.exhausted
    lines = (tmp_path / "whole" / NAME).read_bytes().splitlines(keepends=True)
    for kept in range(len(lines)):
        out = tmp_path / str(kept)
        out.mkdir()
        (out / CONFIG).write_bytes((tmp_path / "whole" / CONFIG).read_bytes())
        (out / NAME).write_bytes(b"".join(lines[:kept]))
        result = resume_folder(out, trials=None, workers=1)
        assert result.exhausted
        assert facts(result.run) == facts(whole.run)


@pytest.mark.parametrize("sampler", ["nsga2", "exhaustive"])
def test_a_finished_search_has_nothing_left_to_evaluate(
    sampler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = facts(run_tiny(tmp_path, sampler).run)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def never(*_: Any) -> None:
        raise AssertionError("nothing is to be asked or evaluated")

    for name in (
        "mvt_nas.nas.runners.evaluation.evaluate",
        "mvt_nas.nas.runners.local.evaluate",
        "mvt_nas.nas.studies.optuna_study.SearchStudy.ask",
    ):
        monkeypatch.setattr(name, never)
    for result in (
        run_tiny(tmp_path, sampler, resume=True),
        resume_folder(tmp_path, trials=None, workers=2),
    ):
        assert facts(result.run) == expected
    assert facts(run_tiny(tmp_path, sampler, resume=True, trials=5).run) == expected
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


def test_more_trials_are_remembered_when_the_longer_search_is_interrupted(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"objectives": COSTS, "out": tmp_path}
    search(small_space(), **settings, trials=10)
    assert search(
        small_space(), **settings, trials=40, resume=True, listener=Interrupting(5)
    ).interrupted
    assert read_config(tmp_path).trials == 40
    assert len(search(small_space(), **settings, resume=True).run.candidates) == 40
    assert len(search(small_space(), **settings, trials=3, resume=True).run.candidates) == 40
    assert read_config(tmp_path).trials == 40


def test_trials_may_be_fewer_when_a_search_is_resumed(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"objectives": COSTS, "batch": 4}
    expected = facts(search(small_space(), **settings, trials=40, out=tmp_path / "whole").run)
    search(small_space(), **settings, trials=40, out=tmp_path / "parts", listener=Interrupting(7))
    result = resume_folder(tmp_path / "parts", trials=9, workers=1)
    assert (len(result.run.candidates), read_config(tmp_path / "parts").trials) == (9, 40)
    assert facts(resume_folder(tmp_path / "parts", trials=None, workers=1).run) == expected


def test_what_samplers_write_beside_a_study_is_stored_once(tmp_path: Path) -> None:
    run_tiny(tmp_path, "nsga2")
    store = Store(tmp_path)
    store.close()
    batches = list(store.content.batches.values())
    keys = [key for batch in batches for key in batch.notes]
    assert all(isinstance(batch, BatchRecord) for batch in batches)
    assert keys == ["NSGAIISampler:parent:1", "NSGAIISampler:parent:2"]
    assert {
        candidate.notes["NSGAIISampler:generation"]
        for candidate in store.content.candidates.values()
    } == {0, 1, 2}
