"""Budgets on costs against the enumerated truth: feasible rows, and the tightest bounds."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mvt_nas.cost.table import CostTable
from mvt_nas.errors import SpaceError
from mvt_nas.metrics.metric import Metric
from mvt_nas.metrics.names import COST_NAMES
from mvt_nas.nas.api import search
from mvt_nas.nas.problem import constraints
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.objectives import Budget
from mvt_nas.nas.problem.predictors import Predictors
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace, load_space
from tests.support.searches import COSTS, full_table, small_space


@cache
def parts_of_the_full_space() -> tuple[CostTable, ...]:
    """Return eight parts of the shipped space, each small enough to enumerate.

    In each, six to ten random dimensions are free.
    """
    rng = np.random.default_rng(0)
    tables: list[CostTable] = []
    while len(tables) < 8:
        space = full_table().space
        centre = space.sample(1, int(rng.integers(2**31)))[0]
        free = set(rng.permutation(len(centre))[: rng.integers(6, 11)].tolist())
        fixed = {
            d.name: d.values[centre[i]] for i, d in enumerate(space.dimensions) if i not in free
        }
        part = space.fix(fixed)
        if 300 < part.size < 20_000:
            tables.append(CostTable(part))
    return tuple(tables)


def random_budgets(
    table: CostTable, rows: Rows, rng: np.random.Generator, both_ways: bool
) -> list[Budget]:
    """Return budgets at small quantiles of the costs of rows, or a little below.

    Some of them can be met together and some cannot.
    """
    costs = table.costs(rows)
    chosen = [name for name in COST_NAMES if rng.random() < 0.7] or ["macs"]
    budgets = []
    for name in chosen:
        share, at_most = rng.random() ** 2 / 4, not both_ways or rng.random() < 0.7
        bound = np.quantile(costs[name], share if at_most else 1 - share)
        budgets.append(
            Budget(
                Metric.parse(name),
                float(bound * rng.choice([1.0, 0.97 if at_most else 1.03])),
                at_most,
            )
        )
    return budgets


def met(table: CostTable, rows: Rows, budgets: list[Budget]) -> Rows:
    """Return the rows that meet budgets, by comparisons without the tested code."""
    costs = table.costs(rows)
    keep = np.ones(len(rows), dtype=bool)
    for budget in budgets:
        values = costs[budget.name]
        keep &= values <= budget.bound if budget.at_most else values >= budget.bound
    return rows[keep]


def best_value(table: CostTable, rows: Rows, budget: Budget) -> float | None:
    values = table.costs(rows)[budget.name]
    return None if not len(rows) else float(values.min() if budget.at_most else values.max())


def test_the_mask_is_that_of_rules_and_budgets() -> None:
    space = small_space()
    table, rng = CostTable(space), np.random.default_rng(0)
    everything = space.enumerate()
    for _ in range(20):
        budgets = random_budgets(table, everything, rng, both_ways=True)
        feasibility = Feasibility(Predictors(table), budgets)
        expected = met(table, everything, budgets)
        assert everything[feasibility.mask(everything)].tolist() == expected.tolist()
        listed = feasibility.enumerate()
        assert listed is not None
        assert listed.tolist() == expected.tolist()
        assert feasibility.satisfiable() == bool(len(expected))


def test_the_mask_refuses_rows_that_break_rules() -> None:
    space = small_space()
    sizes = [len(dimension.values) for dimension in space.dimensions]
    grid = space.canonical(np.indices(sizes).reshape(len(sizes), -1).T)
    assert {
        tuple(row)
        for row in grid[Feasibility(Predictors(CostTable(space)), []).mask(grid)].tolist()
    } == set(map(tuple, space.enumerate().tolist()))


def test_samples_are_feasible_however_rare_that_is(monkeypatch: pytest.MonkeyPatch) -> None:
    space = load_space("tiny")
    table, everything = CostTable(space), space.enumerate()
    smallest = Budget(Metric.parse("macs"), float(table.costs(everything)["macs"].min()))
    for small in (constraints.SMALL, 0):
        monkeypatch.setattr(constraints, "SMALL", small)
        feasibility = Feasibility(Predictors(table), [smallest])
        rows = feasibility.sample(3, seed=1)
        assert 1 <= len(rows) <= 3
        assert feasibility.mask(rows).all()
    assert len(Feasibility(Predictors(table), []).sample(500, seed=1)) == 500


@pytest.mark.parametrize("at_most_only", [True, False])
def test_descent_answers_what_listing_does(
    at_most_only: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    monkeypatch.setattr(constraints, "SMALL", 0)
    answers = set()
    for table in (CostTable(load_space("tiny")), *parts_of_the_full_space()):
        everything = table.space.enumerate()
        budgets = random_budgets(table, everything, rng, both_ways=not at_most_only)
        large = Feasibility(Predictors(table), budgets)
        assert large.enumerate() is None
        expected = bool(len(met(table, everything, budgets)))
        answers.add(expected)
        assert large.satisfiable() == expected
        assert bool(len(large.descend(np.random.default_rng(0)))) == expected
        for tight in large.tightest():
            others = [budget for budget in budgets if budget is not tight.budget]
            assert tight.alone == best_value(table, everything, tight.budget)
            assert tight.together == best_value(table, met(table, everything, others), tight.budget)
    assert answers == {True, False}


def test_listing_answers_by_the_listed_truth() -> None:
    rng = np.random.default_rng(2)
    space = small_space()
    table, everything = CostTable(space), space.enumerate()
    for _ in range(20):
        budgets = random_budgets(table, everything, rng, both_ways=True)
        for tight in Feasibility(Predictors(table), budgets).tightest():
            others = [budget for budget in budgets if budget is not tight.budget]
            assert tight.alone == best_value(table, everything, tight.budget)
            assert tight.together == best_value(table, met(table, everything, others), tight.budget)


@pytest.mark.parametrize("metric", COST_NAMES)
def test_no_draw_from_the_full_space_beats_the_extremes_that_descent_finds(metric: str) -> None:
    feasibility = Feasibility(Predictors(full_table()), [])
    smallest, largest = (
        feasibility.best(Budget(Metric.parse(metric), 0.0, at_most)) for at_most in (True, False)
    )
    drawn = full_table().costs(full_table().space.sample(200_000, seed=3))[metric]
    assert smallest is not None
    assert largest is not None
    assert smallest <= drawn.min()
    assert largest >= drawn.max()


@pytest.mark.parametrize("metric", ["params", "macs"])
def test_the_smallest_network_of_the_full_space_has_the_smallest_choices(metric: str) -> None:
    space = full_table().space
    # By hand: the smallest value of every number, no block anywhere, no head; what is left is one
    # network.
    smallest = {
        d.name: min(d.values)
        for d in space.dimensions
        if d.ordinal and not d.name.endswith("multiplier")
    }  # type: ignore[type-var]
    smallest |= {d.name: "conv" for d in space.dimensions if d.name.endswith(".block")}
    rows = space.fix(smallest).sample(1, seed=0)
    architecture = space.fix(smallest).decode(rows[0])
    expected = full_table().costs(space.encode(architecture)[None])[metric][0]
    assert (
        Feasibility(Predictors(full_table()), []).best(Budget(Metric.parse(metric), 0.0))
        == expected
    )


def test_budgets_that_nothing_meets_are_answered_before_there_is_a_folder(tmp_path: Path) -> None:
    table = CostTable(small_space())
    costs = table.costs(table.space.enumerate())
    macs, params = float(costs["macs"].min()), float(costs["params"].max())
    frugal = costs["params"][costs["macs"] <= macs].max()
    out = tmp_path / "run"
    with pytest.raises(SpaceError, match="no architecture of small meets all budgets") as refused:
        search(
            small_space(), objectives=COSTS, budgets=[f"macs<={macs}", f"params>={params}"], out=out
        )
    assert f"macs<={macs:.0f}: tightest <={macs:.12g} alone" in str(refused.value)
    assert (
        f"params>={params:.0f}: tightest >={params:.12g} alone, with the others >={frugal:.12g}"
        in str(refused.value)
    )
    assert "\n" not in str(refused.value)
    assert not out.exists()


def test_budgets_that_no_network_of_the_full_space_meets_are_answered_too(tmp_path: Path) -> None:
    with pytest.raises(
        SpaceError, match=r"macs<=1000000: tightest <=\d+ alone, not with the others; params<=4000"
    ):
        search(
            "mobilevit", objectives=COSTS, budgets=["macs<=1M", "params<=4k"], out=tmp_path / "run"
        )
    assert not (tmp_path / "run").exists()


def test_budgets_that_contradict_each_other_say_so(tmp_path: Path) -> None:
    space: SearchSpace = small_space()
    with pytest.raises(
        SpaceError,
        match=(
            r"macs<=1: tightest <=\d+ alone, not with the others; params<=1: .* not with the others"
        ),
    ):
        search(space, objectives=COSTS, budgets=["macs<=1", "params<=1"], out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
