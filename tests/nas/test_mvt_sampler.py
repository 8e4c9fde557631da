"""The sampler that knows what tables give: in searches, interrupted or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from click.testing import CliRunner

from mvt_nas._typing import FloatArray
from mvt_nas.cli.main import cli
from mvt_nas.cost.table import CostTable
from mvt_nas.metrics.direction import Direction
from mvt_nas.metrics.metric import Metric, Source
from mvt_nas.nas.api import search
from mvt_nas.nas.benchmark.runs import search_problem
from mvt_nas.nas.mvt import acquisition
from mvt_nas.nas.mvt.memory import SearchMemory
from mvt_nas.nas.mvt.pareto_search import best_front
from mvt_nas.nas.mvt.planner import DESIGNED, Planner
from mvt_nas.nas.mvt.problem import OptimizationProblem
from mvt_nas.nas.mvt.sampler import MvtSampler
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.objectives import Budget
from mvt_nas.nas.problem.predictors import Predictors
from mvt_nas.pareto import hypervolume, pareto_front, reference_point
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import load_space
from tests.support.sampler_studies import Truth, optimise, problem, proposed_rows, quiet_study
from tests.support.searches import (
    SCORING,
    Interrupting,
    facts,
    install_throwaway_proxies,
    small_space,
)


def test_it_finds_the_front_where_chance_does_not() -> None:
    there = problem(load_space("tiny"), "macs", "params")
    shares = {
        name: [there.share(search_problem(there, name, seed, 64)) for seed in range(2)]
        for name in ("mvt", "random")
    }
    assert min(shares["mvt"]) > 0.995
    assert max(shares["random"]) < 0.95


@pytest.mark.parametrize(
    "costs",
    [
        (),
        ("macs",),
        ("macs", "params"),
        ("macs", "params", "memory_mb"),
        ("macs", "params", "memory_mb", "imagenet_top1"),
    ],
)
def test_one_to_five_objectives(costs: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acquisition, "WHOLE", 0)  # the pools of large spaces, in a small one
    there = problem(load_space("tiny"), *costs)
    rows = search_problem(there, "mvt", 0, 48)
    assert len({tuple(row) for row in rows.tolist()}) == 48
    by_chance = search_problem(there, "random", 0, 48)
    if costs:
        assert there.share(rows) > there.share(by_chance)
    else:  # the best front is a point
        assert (
            there.scores(rows).max()
            == there.scores(there.feasibility.space.enumerate()).max()
            > there.scores(by_chance).max()
        )


@pytest.mark.parametrize(
    ("costly", "costs"),
    [(2, ("macs",)), (2, ("macs", "params", "memory_mb")), (3, ("macs",)), (5, ())],
)
def test_any_mix_of_known_and_costly_objectives(
    costly: int, costs: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acquisition, "WHOLE", 0)
    feasibility = Feasibility(Predictors(CostTable(load_space("tiny"), num_classes=10)), [])
    truths = [Truth(feasibility.known, seed) for seed in range(costly)]
    directions = ["max", *["min"] * (costly - 1), *["min"] * len(costs)]
    sampler = MvtSampler(
        feasibility,
        [*(f"{number}:{directions[number]}" for number in range(costly)), *costs],
        seed=0,
    )
    study = quiet_study([f"{direction}imize" for direction in directions], sampler)
    rng = np.random.default_rng(0)

    def scores(rows: Rows) -> FloatArray:
        known = feasibility.known.of(rows)
        return np.column_stack(
            [
                *(truth(rows) for truth in truths),
                *(np.asarray(known[cost], dtype=float) for cost in costs),
            ]
        )

    def value(architecture: Any) -> tuple[float, ...]:
        row = feasibility.space.encode(architecture)[None]
        return *(float(truth(row)[0]) + 0.1 * float(rng.standard_normal()) for truth in truths), *[
            0.0
        ] * len(costs)

    found = scores(np.array(proposed_rows(study, sampler, value, 32), dtype=np.int32))
    every = scores(feasibility.space.enumerate())
    reference = reference_point(every, directions, 0.0)
    by_chance = [
        hypervolume(scores(feasibility.space.sample(32, seed)), directions, reference)
        for seed in range(5)
    ]
    assert hypervolume(found, directions, reference) > max(by_chance)


def test_the_same_seed_gives_the_same_search_and_another_one_another() -> None:
    there = problem(load_space("tiny"), "macs")
    first, again, other = (search_problem(there, "mvt", seed, 48).tolist() for seed in (0, 0, 1))
    assert first == again
    assert first[:16] != other[:16]
    assert first[32:] != other[32:]


def run(out: Path, **changes: Any) -> Any:
    settings: dict[str, Any] = {
        "objectives": ["raising:max", "macs"],
        "budgets": ["weights<=5400"],
        "scoring": SCORING,
        "sampler": "mvt",
    }
    return search("tiny", **(settings | {"trials": 40, "batch": 5, "out": out} | changes))


def test_interrupted_anywhere_it_proposes_what_it_would_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "throwaway").mkdir()
    install_throwaway_proxies(tmp_path / "throwaway", monkeypatch)
    expected = facts(run(tmp_path / "whole").run)
    assert {candidate["status"] for candidate in expected["candidates"].values()} == {
        "complete",
        "infeasible",
        "failed",
    }
    for after in (3, 13, 5, 4, 8):
        assert run(tmp_path / "parts", resume=True, listener=Interrupting(after)).interrupted
    assert facts(run(tmp_path / "parts", resume=True).run) == expected


def test_a_plan_is_the_same_without_what_was_remembered() -> None:
    there = problem(load_space("tiny"), "macs")
    goals = OptimizationProblem.of(there.feasibility, there.objectives, [])
    sampler = MvtSampler(there.feasibility, there.objectives, seed=0, batch=8)
    study = quiet_study(["maximize", "minimize"], sampler)
    proposed_rows(
        study,
        sampler,
        lambda architecture: tuple(
            there.scores(there.feasibility.space.encode(architecture)[None])[0]
        ),
        40,
    )
    memory = SearchMemory()
    for n in (8, 24, 32, 40):
        kept = Planner(goals, there.feasibility, 0, memory).plan(study.trials[:n], 8)
        assert (
            kept.tolist()
            == Planner(goals, there.feasibility, 0, SearchMemory())
            .plan(study.trials[:n], 8)
            .tolist()
        )
        assert (
            kept[:3].tolist()
            == Planner(goals, there.feasibility, 0, SearchMemory())
            .plan(study.trials[:n], 3)
            .tolist()
        )


def test_a_budget_on_what_is_evaluated_is_learned() -> None:
    feasibility = Feasibility(Predictors(CostTable(load_space("tiny"), num_classes=10)), [])
    score, other = Truth(feasibility.known, 0), Truth(feasibility.known, 1)
    rows = feasibility.space.enumerate()
    metric = Metric("other", Direction.MIN, Source.EXTERNAL)
    budget = Budget(metric, float(np.quantile(other(rows), 0.1)))
    sampler = MvtSampler(feasibility, ["score:max", "macs:min"], [budget], seed=0, batch=8)
    study = quiet_study(["maximize", "minimize"], sampler)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        row = feasibility.space.encode(sampler.suggest(trial))[None]
        trial.set_constraint(str(budget), budget.excess(float(other(row)[0])))
        return float(score(row)[0]), 0.0

    optimise(study, objective, 64)
    assert sum(trial.constraints[str(budget)] <= 0 for trial in study.trials[:DESIGNED]) <= 6
    found = np.array(
        [
            list(trial.params.values())
            for trial in study.trials
            if trial.constraints[str(budget)] <= 0
        ],
        dtype=np.int32,
    )
    macs = feasibility.known.of(rows)["macs"]
    allowed = np.column_stack([score(rows), macs])[other(rows) <= budget.bound]
    reached = np.column_stack([score(found), feasibility.known.of(found)["macs"]])
    reference = reference_point(allowed[pareto_front(allowed, ["max", "min"])], ["max", "min"], 0.1)
    assert hypervolume(reached, ["max", "min"], reference) > 0.97 * hypervolume(
        allowed, ["max", "min"], reference
    )


@pytest.mark.parametrize("direction", ["max", "min"])
def test_a_budget_on_an_objective_bounds_what_is_wanted(direction: str) -> None:
    feasibility = Feasibility(Predictors(CostTable(load_space("tiny"), num_classes=10)), [])
    score = Truth(feasibility.known)
    rows = feasibility.space.enumerate()
    middle = float(np.quantile(score(rows), 0.8))
    budget = Budget(Metric("score", Direction.MAX, Source.EXTERNAL), middle, at_most=False)
    sampler = MvtSampler(feasibility, [f"score:{direction}", "macs:min"], [budget], seed=0, batch=8)
    study = quiet_study([f"{direction}imize", "minimize"], sampler)
    found = proposed_rows(
        study,
        sampler,
        lambda architecture: (float(score(feasibility.space.encode(architecture)[None])[0]), 0.0),
        56,
    )
    late, allowed = (
        score(np.array(found[32:], dtype=np.int32)),
        np.sort(score(rows)[score(rows) >= middle]),
    )
    if direction == "max":
        assert (late >= middle).mean() > 0.8
        assert late.max() > np.quantile(allowed, 0.98)
    else:  # the best is at the bound, beyond which nothing counts
        assert (late >= middle).mean() > 0.2
        assert late[late >= middle].min() < np.quantile(allowed, 0.1)


def test_a_space_that_is_used_up_gives_what_there_is() -> None:
    space = small_space().fix(
        {
            "resolution_px": 32,
            "stage2.block": "mobilevit",
            "stage1.width": 8,
            "stage2.width": 24,
            "stem.width": 8,
        }
    )
    there = problem(space, "macs")
    assert len(search_problem(there, "mvt", 0, 20)) == space.size == 6
    sampler = MvtSampler(there.feasibility, there.objectives, seed=0)
    study = quiet_study(["maximize", "minimize"], sampler)
    found = proposed_rows(
        study,
        sampler,
        lambda architecture: tuple(there.scores(space.encode(architecture)[None])[0]),
        9,
    )
    assert len(set(found[:6])) == 6


def test_noise_is_seen_through() -> None:
    there = problem(load_space("tiny"), "macs", noise_sd=1.0)
    shares = [there.share(search_problem(there, "mvt", seed, 96)) for seed in range(2)]
    assert min(shares) > 0.97


def test_what_it_rests_on_can_be_said() -> None:
    tiny = load_space("tiny")
    assert MvtSampler(tiny, ["macs", "params"]).about().startswith("front of ")
    assert "exact: all 3936 feasible architectures" in MvtSampler(tiny, ["macs", "params"]).about()
    assert (
        MvtSampler(tiny, ["trained_accuracy", "macs"]).about()
        == "models of trained_accuracy; everything else is known exactly"
    )
    assert MvtSampler(tiny).about() == "models of all objectives"


def test_the_benchmark_prints_shares_of_the_best_front() -> None:
    arguments = [
        "bench",
        "samplers",
        "--problem",
        "tiny-exact",
        "--samplers",
        "mvt,random",
        "--seeds",
        "1",
        "--trials",
        "100",
    ]
    result = CliRunner().invoke(cli, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.stdout)["problems"]
    assert found["name"] == "tiny-exact"
    assert set(found["samplers"]) == {"mvt", "random"}
    assert list(found["samplers"]["mvt"]) == ["50", "100"]
    assert found["samplers"]["random"]["100"] < found["samplers"]["mvt"]["100"] <= 1.0
    text = CliRunner().invoke(cli, arguments)
    assert "% at 100" in text.stdout


def test_a_search_that_goes_on_finds_again_only_the_front_that_it_was_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"objectives": ["macs", "params"], "sampler": "mvt"}
    whole = search(small_space(), **settings, trials=192, out=tmp_path / "whole").run
    search(small_space(), **settings, trials=112, out=tmp_path / "part")
    taken: list[int] = []

    def counted(there: Feasibility, values: Any, rng: np.random.Generator, gone: Rows) -> Any:
        taken.append(len(gone))
        return best_front(there, values, rng, gone)

    monkeypatch.setattr("mvt_nas.nas.mvt.known_front.best_front", counted)
    part = search(small_space(), **settings, trials=192, out=tmp_path / "part", resume=True).run
    assert [part.candidates[n].row for n in range(192)] == [
        whole.candidates[n].row for n in range(192)
    ]
    assert taken == [
        64,
        128,
        0,
    ]  # the one that it was at, the next one, and the first one to say how it was found
