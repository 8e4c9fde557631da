"""Breeding, and the front of a space: by brute force, by listing and by evolution."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mvt_nas.nas.mvt import pareto_search as fronts
from mvt_nas.nas.mvt.known_front import KnownFrontSearch
from mvt_nas.nas.mvt.pareto_search import best_front, evolved_front
from mvt_nas.nas.mvt.variation import Variation, exclude_rows, not_yet_seen, row_keys, unique_rows
from mvt_nas.pareto import hypervolume, pareto_front, pareto_ranks
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import load_space
from tests.support.known_costs import as_set, feasibility, goals
from tests.support.searches import small_space


def test_rows_are_told_apart_by_their_keys() -> None:
    space = load_space("tiny")
    rows = space.enumerate()
    assert len(set(row_keys(rows).tolist())) == len(rows) == space.size
    twice = rows[[5, 3, 5, 9, 3]]
    assert unique_rows(twice).tolist() == rows[[5, 3, 9]].tolist()
    assert exclude_rows(rows[:6], twice).tolist() == rows[[0, 1, 2, 4]].tolist()
    assert exclude_rows(rows[:2], rows[:0]).tolist() == rows[:2].tolist()


def test_neighbours_are_those_of_the_space() -> None:
    space = load_space("tiny")
    rows = space.sample(20, seed=0)
    found = Variation(space).neighbours(rows)
    expected = set().union(*(as_set(space.neighbours(row)) for row in rows))
    assert as_set(found[space.obeys(found)]) - as_set(rows) == expected - as_set(rows)


def test_children_are_canonical_and_like_their_parents() -> None:
    space = load_space("small_images")
    parents = space.sample(2, seed=0)
    children = Variation(space).children(parents, 400, np.random.default_rng(0))
    assert children.shape == (400, len(space.dimensions))
    assert space.canonical(children).tolist() == children.tolist()
    own = np.minimum((children != parents[0]).sum(axis=1), (children != parents[1]).sum(axis=1))
    apart = (parents[0] != parents[1]).sum()
    assert own.mean() < 0.5 * apart
    assert len(unique_rows(children)) > 200


@pytest.mark.parametrize(
    "objectives", [("macs", "params"), ("macs", "params", "memory_mb"), ("macs", "imagenet_top1")]
)
def test_the_front_of_a_space_that_can_be_listed_is_exact(objectives: tuple[str, ...]) -> None:
    there = feasibility(small_space(), "params<=60k")
    wanted = goals(there, *objectives)
    found = KnownFrontSearch(wanted, there, 0).level(0)
    rows = there.space.enumerate()
    rows = rows[there.mask(rows)]
    known = there.known.of(rows)
    values = np.column_stack([known[name] for name in objectives])
    directions = [objective.direction for objective in wanted.objectives]
    front = found.rows[found.ranks == 0]
    assert as_set(front) == as_set(rows[pareto_front(values, directions)])
    ranks = dict(
        zip(map(tuple, rows.tolist()), pareto_ranks(values, directions).tolist(), strict=True)
    )
    assert found.ranks.tolist() == [ranks[tuple(row)] for row in found.rows.tolist()]
    assert found.exact
    assert (
        str(found)
        == f"front of {len(front)} points, exact: all {len(rows)} feasible architectures were"
        " compared"
    )


@pytest.mark.parametrize("objectives", [("macs", "params"), ("macs", "imagenet_top1", "memory_mb")])
def test_evolution_finds_the_front_that_listing_finds(objectives: tuple[str, ...]) -> None:
    there = feasibility(load_space("tiny"), "macs>=3M")
    wanted = goals(there, *objectives)

    def values(rows: Rows) -> NDArray[np.float64]:
        return wanted.known_costs(there, rows)

    exact = best_front(there, values, np.random.default_rng(0))
    bred = evolved_front(there, values, np.random.default_rng(0), exact.rows[:0])
    assert (exact.exact, bred.exact) == (True, False)
    assert as_set(bred.rows[bred.ranks == 0]) == as_set(exact.rows[exact.ranks == 0])
    assert "found by evolution through the tables over" in str(bred)


@pytest.mark.parametrize("objectives", [1, 2, 3])
@pytest.mark.parametrize("at_once", [0, 1000])
def test_rows_are_ranked_as_by_the_library(
    objectives: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fronts, "_RANKED", at_once)
    values = np.random.default_rng(0).integers(0, 12, (300, objectives)).astype(float)
    places, ranks = fronts.rank_rows(values, 50)
    expected = pareto_ranks(values, ["min"] * objectives)
    assert ranks.tolist() == expected[places].tolist() == sorted(ranks.tolist())
    assert len(places) == np.sum(expected <= ranks[-1]) >= 50
    assert np.sum(expected < ranks[-1]) < 50


def test_behind_a_small_front_stand_the_rows_that_only_it_dominates() -> None:
    there = feasibility(load_space("small_images"))
    wanted = goals(there, "macs", "params")  # whose front is one row
    found = KnownFrontSearch(wanted, there, 0).level(0)
    assert np.sum(found.ranks == 0) == 1
    assert (
        found.ranks.tolist()
        == pareto_ranks(found.values, ["min", "min"]).tolist()
        == sorted(found.ranks.tolist())
    )
    assert 240 < len(as_set(found.rows)) == len(found.rows)
    assert found.values.tolist() == wanted.known_costs(there, found.rows).tolist()
    assert str(found).startswith("front of 1 points, found by evolution")


def test_the_look_at_neighbours_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    there = feasibility(load_space("small_images"))
    wanted = goals(there, "macs", "imagenet_top1")
    found = []
    for most in (0, 20_000):
        monkeypatch.setattr(fronts, "_NEIGHBOURS", most)
        found.append(KnownFrontSearch(wanted, there, 0).level(0))
    short, long = (front.looked_at for front in found)
    assert 20_000 <= long - short < 40_000
    worst = found[0].values.max(axis=0) + 1
    volumes = [hypervolume(front.values, ["min", "min"], worst) for front in found]
    assert volumes[0] <= volumes[1]


def test_evolution_comes_near_the_front_of_a_space_that_is_hard_to_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space = load_space("small_images").fix(
        {
            "depth": 1,
            "patch": 2,
            "heads": 2,
            "residual": True,
            "local_conv": "full",
            "fusion": "input",
        }
    )
    there = feasibility(
        space.fix(
            {
                "stage3.stride": 1,
                "ffn_multiplier": 2,
                "fusion_kernel": 1,
                "transformer_depth": 1,
                "stage4.attention": "separable",
            }
        )
    )
    assert 200_000 < there.space.size < fronts.LISTED
    wanted = goals(there, "params", "macs", "imagenet_top1")
    exact = KnownFrontSearch(wanted, there, 0).level(0)
    monkeypatch.setattr(fronts, "LISTED", 0)
    bred = KnownFrontSearch(wanted, there, 0).level(0)
    assert (exact.exact, bred.exact) == (True, False)
    worst = exact.values.max(axis=0) + 1
    share = hypervolume(bred.values, ["min"] * 3, worst) / hypervolume(
        exact.values, ["min"] * 3, worst
    )
    assert 0.998 < share <= 1.0  # some thousands of the many points of the front are kept


def test_rows_that_are_left_are_those_without_the_taken_ones() -> None:
    rows = load_space("tiny").sample(400, 0)
    for count in (0, 1, 150):
        taken = rows[100 : 100 + count]
        assert (
            not_yet_seen(rows, np.sort(row_keys(taken))).tolist()
            == exclude_rows(rows, taken).tolist()
        )
    assert not_yet_seen(rows[:0], np.sort(row_keys(rows))).tolist() == []
