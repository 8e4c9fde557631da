"""Candidates that cannot be scored, and budgets that only a score can break."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvt_nas.metrics.names import ESTIMATED
from mvt_nas.nas.api import SearchResult, search
from mvt_nas.nas.runs.run import Run
from tests.support.searches import (
    SCORING,
    breed_early,
    facts,
    install_throwaway_proxies,
    small_space,
)


@pytest.fixture(autouse=True)
def _throwaway(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    install_throwaway_proxies(tmp_path_factory.mktemp("throwaway"), monkeypatch)


def run_small(out: Path, objective: str, **changes: Any) -> SearchResult:
    settings: dict[str, Any] = {
        "objectives": [objective, "macs:min"],
        "trials": 16,
        "batch": 4,
        "scoring": SCORING,
        "out": out,
    }
    return search(small_space(), **(settings | changes))


@pytest.mark.parametrize(
    ("objective", "reason"),
    [
        ("raising", "raising: RuntimeError: out of luck"),
        ("undefined", "undefined: not finite (nan)"),
        ("grabbing", "grabbing: MemoryError: no room"),
        ("exiting", "SystemExit: 3"),
    ],
)
def test_a_candidate_that_cannot_be_scored_is_recorded_and_the_search_goes_on(
    objective: str, reason: str, tmp_path: Path
) -> None:
    run = run_small(tmp_path / "a", objective).run
    failed = [c for c in run.candidates.values() if c.status == "failed"]
    assert len(run.candidates) == 16
    assert 0 < len(failed) < 16
    for candidate in run.candidates.values():
        parameters = sum(p.numel() for p in build(run, candidate.number).parameters())
        assert (candidate.status == "failed") == (parameters % 5 == 0)
        assert (objective in candidate.scores) == (candidate.status == "complete")
    assert {candidate.error for candidate in failed} == {reason}
    assert all(
        set(candidate.scores) == {"params", "macs", "memory_mb", *ESTIMATED} for candidate in failed
    )
    assert not {candidate.number for candidate in failed} & {
        candidate.number for candidate in run.front()
    }
    assert facts(Run.load(tmp_path / "a")) == facts(run)
    assert facts(run_small(tmp_path / "b", objective).run) == facts(run)


def build(run: Run, number: int) -> Any:
    from mvt_nas.models.network import build_model

    return build_model(run.architecture(number), num_classes=SCORING.num_classes, seed=0)


def test_a_second_metric_that_fails_leaves_the_first_ones_score(tmp_path: Path) -> None:
    run = run_small(tmp_path, "weights", objectives=["weights", "raising"]).run
    failed = [c for c in run.candidates.values() if c.status == "failed"]
    assert failed
    assert all(
        "weights" in candidate.scores and "raising" not in candidate.scores for candidate in failed
    )


def test_a_search_in_which_everything_fails_ends(tmp_path: Path) -> None:
    run = run_small(tmp_path, "weights", scoring=type(SCORING)(32, 4000, 10)).run
    assert {candidate.status for candidate in run.candidates.values()} == {"failed"}
    assert {candidate.error for candidate in run.candidates.values()} == {
        "batch of 4000 digits: at most 1740 can be drawn in equal shares"
    }
    assert (len(run.candidates), run.front(), run.hypervolume()) == (16, [], 0.0)


@pytest.mark.parametrize("sampler", ["nsga2", "nsga3", "tpe", "gp", "random", "qmc", "exhaustive"])
@pytest.mark.parametrize("sign", ["<=", ">="])
def test_a_budget_on_a_score_makes_infeasible_candidates_that_are_never_on_the_front(
    sampler: str, sign: str, tmp_path: Path
) -> None:
    free = run_small(tmp_path / "free", "weights", sampler="random").run
    bound = sorted(candidate.scores["weights"] for candidate in free.candidates.values())[8]
    run = run_small(
        tmp_path / "bound",
        "macs:min",
        objectives=["macs", "params"],
        budgets=[f"weights{sign}{bound!r}"],
        sampler=sampler,
    ).run
    assert len(run.candidates) == 16
    for candidate in run.candidates.values():
        breaks = (
            candidate.scores["weights"] > bound
            if sign == "<="
            else candidate.scores["weights"] < bound
        )
        assert candidate.status == ("infeasible" if breaks else "complete")
        assert candidate.error is None
    assert {candidate.status for candidate in run.candidates.values()} == {"complete", "infeasible"}
    assert {candidate.status for candidate in run.front()} == {"complete"}


def test_samplers_are_told_by_how_much_a_budget_on_a_score_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breed_early(monkeypatch)
    settings: dict[str, Any] = {
        "objectives": ["macs", "params"],
        "trials": 64,
        "batch": 8,
        "scoring": SCORING,
    }
    weights = {}
    for name, budgets in (("free", ["weights<=1e6"]), ("bound", ["weights>=1e6"])):
        run = search("tiny", **settings, budgets=budgets, out=tmp_path / name).run
        weights[name] = np.array([run.candidates[number].scores["weights"] for number in range(64)])
    # Where nothing is feasible, the excess is all there is to go by, and it falls with the weights;
    # the objectives ask for fewer.
    assert max(weights["bound"].max(), weights["free"].max()) < 1e6
    assert weights["bound"][:8].tolist() == weights["free"][:8].tolist()
    assert weights["bound"][-24:].mean() > 1.5 * weights["free"][-24:].mean()
