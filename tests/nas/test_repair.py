"""Repair of proposals: feasible, new, near, and complete where the space is small."""

from __future__ import annotations

import numpy as np
import pytest

from mvt_nas.cost.table import CostTable
from mvt_nas.metrics.metric import Metric
from mvt_nas.nas.problem import constraints
from mvt_nas.nas.problem import repair as repairing
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.objectives import Budget
from mvt_nas.nas.problem.predictors import Predictors
from mvt_nas.nas.problem.repair import Repair, SpaceExhausted
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace, load_space
from tests.support.searches import full_table, small_space


def half(space: SearchSpace) -> Feasibility:
    """Return the half of a space that costs less than the median."""
    table = full_table() if space.name == "mobilevit" else CostTable(space)
    median = float(np.median(table.costs(space.sample(1000, 0))["macs"]))
    return Feasibility(Predictors(table), [Budget(Metric.parse("macs"), median)])


def proposals(space: SearchSpace, n: int, seed: int) -> Rows:
    """Return rows of random codes, as samplers propose: not canonical, and breaking rules."""
    sizes = [len(dimension.values) for dimension in space.dimensions]
    return np.random.default_rng(seed).integers(sizes, size=(n, len(sizes))).astype(np.int32)


@pytest.mark.parametrize("name", ["tiny", "mobilevit"])
def test_candidates_are_feasible_canonical_and_never_the_same(name: str) -> None:
    space = load_space(name)
    feasibility = half(space)
    repair = Repair(feasibility)
    proposed = proposals(space, 150, seed=1)
    rows = np.stack(
        [repair(row, np.random.default_rng(i)) for i, row in enumerate([*proposed, *proposed])]
    )
    assert feasibility.mask(rows).all()
    assert rows.tolist() == space.canonical(rows).tolist()
    assert len(np.unique(rows, axis=0)) == 300
    assert all(repair.is_taken(row) for row in rows)


def test_a_feasible_new_proposal_stays() -> None:
    space = load_space("mobilevit")
    feasibility = half(space)
    repair = Repair(feasibility)
    for row in feasibility.sample(100, seed=0):
        assert repair(row, np.random.default_rng(0)).tolist() == row.tolist()
    assert (repair.replaced.infeasible, repair.replaced.duplicates) == (0, 0)


def test_what_is_replaced_is_counted() -> None:
    space = load_space("mobilevit")
    feasibility = half(space)
    repair = Repair(feasibility)
    rows = space.sample(100, seed=0)
    for row in [*rows, *rows]:
        repair(row, np.random.default_rng(0))
    expected = int((~feasibility.mask(rows)).sum())
    assert repair.replaced.infeasible == 2 * expected
    assert repair.replaced.duplicates == 100 - expected


def test_a_replacement_is_near() -> None:
    space = load_space("mobilevit")
    repair = Repair(half(space))
    distances = []
    for row in space.sample(50, seed=0):
        repair(row, np.random.default_rng(0))
        again = repair(row, np.random.default_rng(1))
        distances.append(int((again != row).sum()))
    random_pairs = (space.sample(50, seed=1) != space.sample(50, seed=2)).sum(axis=1)
    assert np.median(distances) <= 4 < np.median(random_pairs)


def test_repair_depends_on_the_generator_alone() -> None:
    space = load_space("tiny")
    proposed = proposals(space, 60, seed=3)

    def repaired(seed: int) -> list[list[int]]:
        repair = Repair(half(space))
        return [
            repair(row, np.random.default_rng([seed, i])).tolist()
            for i, row in enumerate([*proposed, *proposed])
        ]

    assert repaired(0) == repaired(0)
    assert repaired(0) != repaired(1)


@pytest.mark.parametrize(
    "fixed", [{}, {"stage2.block": "conv"}, {"resolution_px": 32, "stem.width": 8}]
)
def test_a_small_space_is_exhausted_exactly(
    fixed: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    # With so few mutants and draws, chance alone would miss some rows.
    monkeypatch.setattr(repairing, "_MUTANTS", (1,))
    monkeypatch.setattr(repairing, "_DRAWS", (1,))
    space = small_space().fix(fixed)
    feasibility = half(space)
    everything = feasibility.enumerate()
    assert everything is not None
    repair, rng = Repair(feasibility), np.random.default_rng(0)
    same = proposals(space, 1, seed=0)[0]
    found = [tuple(repair(same, rng).tolist()) for _ in range(len(everything))]
    assert sorted(found) == sorted(map(tuple, everything.tolist()))
    with pytest.raises(SpaceExhausted, match=r"^$"):
        repair(same, rng)
    with pytest.raises(SpaceExhausted, match=r"^$"):
        repair(np.zeros_like(same), rng)


def test_rows_taken_before_are_not_proposed() -> None:
    space = small_space()
    feasibility = half(space)
    everything = feasibility.enumerate()
    assert everything is not None
    repair = Repair(feasibility)
    for row in everything[::2]:
        repair.take(row)
    left = {
        tuple(repair(everything[0], np.random.default_rng(i)).tolist())
        for i in range(len(everything) // 2)
    }
    assert left == set(map(tuple, everything[1::2].tolist()))


def test_a_space_too_large_to_list_is_searched_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    space = small_space()
    everything = half(space).enumerate()
    assert everything is not None
    monkeypatch.setattr(constraints, "SMALL", 0)
    feasibility = half(space)
    assert feasibility.enumerate() is None
    repair = Repair(feasibility)
    same = proposals(space, 1, seed=0)[0]
    found = {tuple(repair(same, np.random.default_rng(i)).tolist()) for i in range(len(everything))}
    assert found == set(map(tuple, everything.tolist()))
    with pytest.raises(SpaceExhausted, match=r"^$"):
        repair(same, np.random.default_rng(0))


def test_a_needle_in_the_full_space_is_found_once_and_then_its_neighbours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = full_table()
    space = table.space
    smallest = Feasibility(Predictors(table), []).best(Budget.parse("macs<=0"))
    assert smallest is not None
    feasibility = Feasibility(Predictors(table), [Budget(Metric.parse("macs"), 1.1 * smallest)])
    assert not len(feasibility.draw(10_000, np.random.default_rng(0)))
    descents: list[Rows] = []

    def descend(rng: np.random.Generator) -> Rows:
        descents.append(Feasibility.descend(feasibility, rng))
        return descents[-1]

    monkeypatch.setattr(feasibility, "descend", descend)
    repair = Repair(feasibility)
    rows = np.stack(
        [
            repair(row, np.random.default_rng(i))
            for i, row in enumerate(proposals(space, 20, seed=0))
        ]
    )
    assert len(descents) == 1
    assert feasibility.mask(rows).all()
    assert len(np.unique(rows, axis=0)) == 20


def test_a_space_of_one_architecture_is_exhausted_by_one() -> None:
    space = small_space()
    one = {
        d.name: d.values[code]
        for d, code in zip(space.dimensions, space.sample(1, 0)[0], strict=True)
    }
    repair = Repair(Feasibility(Predictors(CostTable(space.fix(one))), []))
    nothing = np.zeros(0, dtype=np.int32)
    assert repair(nothing, np.random.default_rng(0)).tolist() == []
    with pytest.raises(SpaceExhausted, match=r"^$"):
        repair(nothing, np.random.default_rng(0))
