"""Whole searches: how many candidates, which, and that the seed decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvt_nas.accuracy.imagenet.estimator import imagenet_top1
from mvt_nas.cost.table import CostTable
from mvt_nas.metrics.names import COST_NAMES
from mvt_nas.nas.api import SearchResult, search
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from mvt_nas.nas.samplers.base import SAMPLERS
from mvt_nas.pareto import pareto_front
from mvt_nas.proxies.base import PROXIES
from mvt_nas.space.published import published_names, zoo
from mvt_nas.space.search_space import load_space
from tests.support.searches import (
    COSTS,
    SCORING,
    TRIALS,
    breed_early,
    facts,
    full_table,
    rows,
    small_space,
)

pytestmark = pytest.mark.slow


def run_tiny(out: Path, sampler: str, **changes: Any) -> SearchResult:
    settings: dict[str, Any] = {
        "objectives": COSTS,
        "trials": TRIALS.get(sampler, 30),
        "batch": 4,
        "sampler": sampler,
        "out": out,
    }
    return search("tiny", **(settings | changes))


def test_these_are_the_samplers() -> None:
    assert SAMPLERS.names() == ["exhaustive", "gp", "mvt", "nsga2", "nsga3", "qmc", "random", "tpe"]


@pytest.mark.parametrize("sampler", SAMPLERS.names())
def test_a_search_gives_as_many_feasible_and_different_candidates_as_it_was_asked_for(
    sampler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breed_early(monkeypatch)
    told: list[int] = []
    table = CostTable(load_space("tiny"), num_classes=10)
    median = sorted(table.costs(table.space.enumerate())["macs"])[1500]
    budgets = [f"macs<={median}"]
    result = run_tiny(
        tmp_path / "a",
        sampler,
        budgets=budgets,
        num_classes=10,
        listener=lambda run, candidate: told.append(candidate.number),
    )
    found = rows(result.run)
    assert sorted(result.run.candidates) == list(range(TRIALS.get(sampler, 30))) == sorted(told)
    assert len(set(found)) == len(found)
    assert table.space.canonical(found).tolist() == [list(row) for row in found]
    assert table.space.obeys(found).all()
    costs = table.costs(found)
    assert (costs["macs"] <= median).all()
    for number, candidate in result.run.candidates.items():
        assert {name: candidate.scores[name] for name in COST_NAMES} == {
            name: costs[name][number] for name in COST_NAMES
        }
        estimate = imagenet_top1([result.run.architecture(number)])
        assert candidate.scores["imagenet_top1"] == estimate.percent[0]
        assert candidate.scores["imagenet_top1_low"] == estimate.low[0]
        assert (candidate.status, candidate.error, candidate.origin) == (
            "complete",
            None,
            "sampler",
        )
        assert candidate.key == table.space.decode(candidate.row).key
    assert (result.exhausted, result.interrupted) == (False, False)
    assert facts(Run.load(tmp_path / "a")) == facts(result.run)
    again = run_tiny(tmp_path / "b", sampler, budgets=budgets, num_classes=10)
    assert facts(again.run) == facts(result.run)
    other = run_tiny(tmp_path / "c", sampler, budgets=budgets, num_classes=10, seed=1)
    assert (rows(other.run) == found) == (
        sampler in ("exhaustive", "mvt")
    )  # all is known, and nothing left to chance


def test_the_front_is_what_nothing_dominates(tmp_path: Path) -> None:
    run = run_tiny(tmp_path, "random").run
    values = [
        [run.candidates[n].scores["macs"], run.candidates[n].scores["params"]] for n in range(30)
    ]
    front = run.front()
    assert {c.number for c in front} == {
        n for n, kept in enumerate(pareto_front(values, ["min", "min"])) if kept
    }
    assert [c.scores["macs"] for c in front] == sorted(c.scores["macs"] for c in front)


def test_evolution_beats_chance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    breed_early(monkeypatch)
    volumes = {}
    for sampler in ("nsga2", "random"):
        found = [
            search(
                "tiny",
                objectives=COSTS,
                trials=80,
                sampler=sampler,
                seed=s,
                out=tmp_path / f"{sampler}{s}",
            ).run
            for s in range(3)
        ]
        volumes[sampler] = [run.hypervolume() for run in found]
    assert sum(volumes["nsga2"]) > sum(volumes["random"])


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS.names() if name != "gp"])
def test_a_space_that_is_exhausted_ends_the_search(sampler: str, tmp_path: Path) -> None:
    space = small_space().fix({"resolution_px": 32, "stage2.block": "mobilevit", "stage1.width": 8})
    assert space.size == 36
    settings: dict[str, Any] = {"objectives": COSTS, "sampler": sampler, "out": tmp_path}
    result = search(space, trials=36, **settings)
    assert (result.exhausted, len(result.run.candidates)) == (False, 36)
    assert set(rows(result.run)) == {tuple(row) for row in space.enumerate().tolist()}
    for trials in (37, 50):
        result = search(space, trials=trials, resume=True, **settings)
        assert (result.exhausted, len(result.run.candidates)) == (True, 36)
    assert not search(space, trials=20, resume=True, **settings).exhausted


def test_the_exhaustive_sampler_lists_the_space_in_order(tmp_path: Path) -> None:
    space = small_space()
    result = search(space, objectives=COSTS, sampler="exhaustive", trials=10_000, out=tmp_path)
    assert result.exhausted
    assert rows(result.run) == [tuple(row) for row in space.enumerate().tolist()]


def test_a_space_of_one_architecture_is_searched_and_done(tmp_path: Path) -> None:
    space = small_space()
    one = {
        d.name: d.values[code]
        for d, code in zip(space.dimensions, space.sample(1, 0)[0], strict=True)
    }
    for sampler in SAMPLERS.names():
        result = search(
            space, fix=one, objectives=COSTS, sampler=sampler, trials=5, out=tmp_path / sampler
        )
        assert (result.exhausted, rows(result.run)) == (True, [()])


def test_published_models_in_the_space_come_first(tmp_path: Path) -> None:
    table = full_table()
    inside = [
        name
        for name in published_names()
        if table.costs(table.space.encode(zoo(name))[None])["params"][0] <= 3e6
    ]
    assert 3 < len(inside) < len(published_names())
    told: list[Candidate] = []
    settings: dict[str, Any] = {
        "objectives": COSTS,
        "budgets": ["params<=3M"],
        "trials": len(inside) + 2,
    }
    result = search(
        "mobilevit",
        **settings,
        out=tmp_path / "a",
        listener=lambda run, candidate: told.append(candidate),
    )
    assert [candidate.origin for candidate in told] == [*inside, "sampler", "sampler"]
    for number, name in enumerate(inside):
        assert result.run.candidates[number].key == zoo(name).key
        assert result.run.architecture(number) == zoo(name)
    cold = search("mobilevit", **settings, out=tmp_path / "b", warm_start=False).run
    assert {candidate.origin for candidate in cold.candidates.values()} == {"sampler"}
    assert len(cold.candidates) == len(inside) + 2
    short = search("mobilevit", **(settings | {"trials": 2}), out=tmp_path / "c").run
    assert [short.candidates[number].origin for number in range(2)] == inside[:2]


def test_hypervolume_counts_from_the_tightest_budget_or_the_largest_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    budgets = ["macs<=9M", "macs<=8M", "macs>=1k", "log_synflow>=-5"]
    run = run_tiny(
        tmp_path,
        "random",
        objectives=["macs", "params", "log_synflow"],
        budgets=budgets,
        trials=2,
        scoring=SCORING,
    ).run
    table = CostTable(load_space("tiny"))
    everything = table.space.enumerate()
    allowed = table.costs(everything)["params"][table.costs(everything)["macs"] <= 8e6]
    assert run.config.reference["macs"] == 8e6
    assert run.config.reference["log_synflow"] == PROXIES.get("log_synflow").worst
    assert np.quantile(allowed, 0.99) <= run.config.reference["params"] <= allowed.max()
    monkeypatch.setattr("mvt_nas.nas.problem.reference_point._SAMPLES", 1)
    published = search(
        "mobilevit_v2",
        objectives=COSTS,
        fix={"resolution_px": 256},
        trials=1,
        out=tmp_path / "published",
    ).run
    largest = published.space.encode(zoo("mobilevitv2_200"))
    assert (
        published.config.reference["macs"]
        >= CostTable(published.space).costs(largest[None])["macs"][0]
    )


def test_what_was_replaced_is_reported(tmp_path: Path) -> None:
    result = search(small_space(), objectives=COSTS, sampler="random", trials=60, out=tmp_path)
    assert result.replaced.infeasible > 0
    assert result.replaced.duplicates > 0


def test_a_run_without_a_folder_lies_in_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = search(small_space(), objectives=COSTS, trials=2).run
    assert run.folder.parent == Path("results")
    assert run.folder.name.startswith("small-20")
    assert len(Run.load(run.folder).candidates) == 2
