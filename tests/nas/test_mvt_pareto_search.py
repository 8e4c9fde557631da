"""Breeding, and the front of known values: by brute force, by listing and by evolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from mvt_nas.cost.table import CostTable
from mvt_nas.metrics.direction import Direction
from mvt_nas.metrics.metric import Metric, Source
from mvt_nas.nas.mvt import known_front
from mvt_nas.nas.mvt import pareto_search as fronts
from mvt_nas.nas.mvt.known_front import KnownFrontSearch
from mvt_nas.nas.mvt.observations import ObservationLedger, Observations, read_observations
from mvt_nas.nas.mvt.pareto_search import best_front, evolved_front
from mvt_nas.nas.mvt.problem import OptimizationProblem
from mvt_nas.nas.mvt.variation import Variation, exclude_rows, not_yet_seen, row_keys, unique_rows
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.objectives import Budget, Objective
from mvt_nas.nas.problem.predictors import Predictors
from mvt_nas.nas.studies.optuna_study import distributions
from mvt_nas.pareto import hypervolume, pareto_front, pareto_ranks
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace, load_space
from tests.support.searches import search_less, small_space

NOTHING: dict[str, NDArray[np.float64]] = {}


def feasibility(space: SearchSpace, *budgets: str) -> Feasibility:
    return Feasibility(
        Predictors(CostTable(space, num_classes=10)), [Budget.parse(text) for text in budgets]
    )


def goals(there: Feasibility, *objectives: str) -> OptimizationProblem:
    return OptimizationProblem.of(there, [Objective.parse(text) for text in objectives], [])


def seen(taken: Rows, wanted: OptimizationProblem, there: Feasibility) -> Observations:
    costs = wanted.known_costs(there, taken)
    return Observations(
        taken, costs, NOTHING, np.ones(len(taken), dtype=bool), taken, taken[:0], len(taken) // 2
    )


def as_set(rows: Rows) -> set[tuple[int, ...]]:
    return {tuple(row) for row in rows.tolist()}


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


def test_ranks_follow_one_another_when_a_front_is_used_up() -> None:
    there = feasibility(small_space())
    wanted = goals(there, "macs", "params")
    rows = there.space.enumerate()
    ranks = pareto_ranks(wanted.known_costs(there, rows), ["min", "min"])
    by_row = dict(zip(map(tuple, rows.tolist()), ranks.tolist(), strict=True))
    front, taken, order = KnownFrontSearch(wanted, there, 0), rows[:0], []
    for _ in range(6):
        proposed = front.next(seen(taken, wanted, there), 5)
        order += [by_row[tuple(row)] for row in proposed.tolist()]
        taken = np.concatenate([taken, proposed])
    assert len(as_set(taken)) == 30
    assert order == sorted(order)
    assert order[-1] > 0


def test_the_widest_points_of_a_front_come_first() -> None:
    there = feasibility(load_space("small_images"))
    wanted = goals(there, "macs", "imagenet_top1")
    front = KnownFrontSearch(wanted, there, 0)
    every = front.level(0)
    assert len(every.rows) > 100
    low, high = every.values.min(axis=0), every.values.max(axis=0)

    def volume(rows: Rows) -> float:
        return hypervolume(
            (wanted.known_costs(there, rows) - low) / (high - low), ["min", "min"], [1.1, 1.1]
        )

    chosen = front.next(seen(every.rows[:0], wanted, there), 16)
    rng = np.random.default_rng(0)
    at_random = [
        volume(every.rows[rng.choice(len(every.rows), 16, replace=False)]) for _ in range(200)
    ]
    assert volume(chosen) > max(at_random)
    assert volume(chosen) > 0.9 * volume(every.rows)
    assert as_set(front.next(seen(chosen, wanted, there), 16)).isdisjoint(as_set(chosen))


def test_of_one_objective_the_best_rows_come_in_order() -> None:
    there = feasibility(small_space())
    wanted = goals(there, "imagenet_top1")
    front = KnownFrontSearch(wanted, there, 0)
    values = np.sort(wanted.known_costs(there, there.space.enumerate())[:, 0])
    found = wanted.known_costs(
        there, front.next(seen(there.space.enumerate()[:0], wanted, there), 12)
    )[:, 0]
    assert found.tolist() == values[:12].tolist()
    assert str(front).startswith("best architecture, exact: all ")


def test_a_space_that_is_used_up_has_nothing_to_propose() -> None:
    there = feasibility(small_space())
    rows = there.space.enumerate()
    wanted = goals(there, "macs", "params")
    assert len(KnownFrontSearch(wanted, there, 0).next(seen(rows, wanted, there), 4)) == 0
    assert len(KnownFrontSearch(wanted, there, 0).next(seen(rows[:-2], wanted, there), 4)) == 2


def test_what_has_settled_is_read_once_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    search_less(monkeypatch)
    there = feasibility(load_space("small_images"))
    wanted = goals(there, "macs", "params")
    rows = there.sample(120, 0)
    front = KnownFrontSearch(wanted, there, 0)
    for count in range(0, 120, 24):
        again = KnownFrontSearch(wanted, there, 0)  # as after an interruption
        assert (
            front.next(seen(rows[:count], wanted, there), 8).tolist()
            == again.next(seen(rows[:count], wanted, there), 8).tolist()
        )


def told(taken: Rows, wanted: OptimizationProblem, there: Feasibility) -> Observations:
    """Return a history in which all rows have settled."""
    return replace(seen(taken, wanted, there), settled=len(taken), ended=len(taken))


@pytest.mark.parametrize("name", ["small", pytest.param("small_images", marks=pytest.mark.slow)])
def test_a_front_behind_others_is_made_anew_without_them(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    search_less(monkeypatch)
    monkeypatch.setattr(fronts, "_KEPT", 64)
    monkeypatch.setattr(fronts, "_LEAST_KEPT", 32)
    monkeypatch.setattr(fronts, "_NEIGHBOURS", 1000)
    there = feasibility(small_space() if name == "small" else load_space(name))
    wanted, count = goals(there, "macs", "params"), 24
    front, taken = KnownFrontSearch(wanted, there, 0), there.sample(8, 1)
    made: list[int] = []
    original = known_front.best_front

    def counted(*arguments: Any) -> Any:
        made.append(len(arguments[3]))
        return original(*arguments)

    monkeypatch.setattr(known_front, "best_front", counted)
    for _ in range(9):
        begun, proposed = list(front.begun), front.next(told(taken, wanted, there), count)
        made.clear()
        again = KnownFrontSearch(wanted, there, 0)  # as after an interruption
        again.begun = begun
        assert again.next(told(taken, wanted, there), count).tolist() == proposed.tolist()
        assert len(made) <= 2  # the front that it was at, and the next one
        assert len(as_set(proposed) | as_set(taken)) == len(taken) + count
        taken = np.concatenate([taken, proposed])
    assert len(front.begun) > 3
    assert front.begun == sorted(front.begun)
    assert len(front._levels) <= 2
    assert (
        front.next(told(taken[:1], wanted, there), 4).tolist()
        == KnownFrontSearch(wanted, there, 0).next(told(taken[:1], wanted, there), 4).tolist()
    )


def test_a_batch_larger_than_a_front_goes_on_behind_it() -> None:
    there = feasibility(small_space())
    wanted = goals(there, "macs", "params")
    front, nothing = KnownFrontSearch(wanted, there, 0), there.space.enumerate()[:0]
    chosen = front.next(told(nothing, wanted, there), 150)
    assert len(as_set(chosen)) == 150
    assert set(front.begun) == {0}
    ranks = pareto_ranks(wanted.known_costs(there, there.space.enumerate()), ["min", "min"])
    by_row = dict(zip(map(tuple, there.space.enumerate().tolist()), ranks.tolist(), strict=True))
    order = [by_row[tuple(row)] for row in chosen.tolist()]
    assert order == sorted(order)
    again = KnownFrontSearch(wanted, there, 0)
    again.begun = list(front.begun)
    assert (
        again.next(told(chosen, wanted, there), 20).tolist()
        == front.next(told(chosen, wanted, there), 20).tolist()
    )


def test_rows_that_are_left_are_those_without_the_taken_ones() -> None:
    rows = load_space("tiny").sample(400, 0)
    for count in (0, 1, 150):
        taken = rows[100 : 100 + count]
        assert (
            not_yet_seen(rows, np.sort(row_keys(taken))).tolist()
            == exclude_rows(rows, taken).tolist()
        )
    assert not_yet_seen(rows[:0], np.sort(row_keys(rows))).tolist() == []


def test_a_ledger_reads_finished_trials_once_and_says_what_reading_all_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = feasibility(small_space())
    wanted = goals(there, "macs", "params")
    spread = distributions(there.space)
    states = [
        TrialState.COMPLETE,
        TrialState.FAIL,
        TrialState.COMPLETE,
        TrialState.RUNNING,
        TrialState.COMPLETE,
        TrialState.COMPLETE,
    ] * 10

    def said(number: int) -> dict[str, float]:
        return {"early": number / 60} | ({"late": number - 50.0} if number > 45 else {})

    trials = []
    for number, (row, state) in enumerate(zip(there.sample(60, 0).tolist(), states, strict=True)):
        trial = create_trial(
            state=state if number > 40 or state != TrialState.RUNNING else TrialState.COMPLETE,
            values=[1.0, 2.0] if state != TrialState.FAIL else None,
            params=dict(zip(spread, row, strict=True)),
            distributions=spread,
            constraints=said(number) if state == TrialState.COMPLETE else None,
        )
        trial.number = number
        trials.append(trial)
    read: list[int] = []

    def counts(some: Sequence[FrozenTrial], *others: Any) -> Observations:
        read.append(len(some))
        return read_observations(some, *others)

    monkeypatch.setattr("mvt_nas.nas.mvt.observations.read_observations", counts)
    ledger = ObservationLedger(wanted, there)
    for count in (7, 8, 30, 60):
        found, expected = (
            ledger.read(trials[:count]),
            read_observations(trials[:count], wanted, there),
        )
        for name in ("rows", "costs", "feasible", "taken", "running"):
            assert np.array_equal(getattr(found, name), getattr(expected, name)), name
        assert list(found.excesses) == list(expected.excesses)
        for name, excess in expected.excesses.items():
            assert np.array_equal(found.excesses[name], excess, equal_nan=True), name
    settled = next(
        number for number, trial in enumerate(trials) if trial.state == TrialState.RUNNING
    )
    assert found.settled == sum(trial.state == TrialState.COMPLETE for trial in trials[:settled])
    assert found.ended == settled
    read.clear()
    ledger.read(trials)
    assert read == [60 - settled]
    assert len(ledger.read(trials[:5]).taken) == 5  # another study


def test_what_stands_behind_a_trial_that_was_left_out_is_not_settled() -> None:
    there = feasibility(small_space())
    wanted, spread = goals(there, "macs", "params"), distributions(there.space)
    trials = []
    for number, row in enumerate(there.sample(9, 0).tolist()):
        trials.append(
            create_trial(
                values=[1.0, 2.0], params=dict(zip(spread, row, strict=True)), distributions=spread
            )
        )
        trials[-1].number = number
    ledger = ObservationLedger(wanted, there)
    assert (
        ledger.read([*trials[:6], trials[8]]).settled == 6
    )  # asked for by trial 6, while 7 was still running
    assert (
        ledger.read(trials).taken.tolist()
        == read_observations(trials, wanted, there).taken.tolist()
    )


def test_a_history_takes_known_values_from_the_tables_and_the_others_from_trials() -> None:
    there = feasibility(small_space())
    mine = Metric("mine", Direction.MAX, Source.EXTERNAL)
    wanted = OptimizationProblem.of(
        there,
        [Objective(mine, Direction.MAX), Objective.parse("macs:min")],
        [Budget(mine, 5.0, at_most=False)],
    )
    rows = there.space.sample(4, seed=0)
    distributions = {
        d.name: CategoricalDistribution(tuple(range(len(d.values)))) for d in there.space.dimensions
    }
    states = [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE, TrialState.RUNNING]
    trials = [
        create_trial(
            state=state,
            values=[4.0 + number, -1.0] if state == TrialState.COMPLETE else None,
            params=dict(zip(distributions, row, strict=True)),
            distributions=dict(distributions),
            constraints=(
                {"mine>=5": 1.0 - number, "else": 0.5} if state == TrialState.COMPLETE else None
            ),
        )
        for number, (state, row) in enumerate(zip(states, rows.tolist(), strict=True))
    ]
    found = read_observations(trials, wanted, there)
    assert found.rows.tolist() == rows[[0, 2]].tolist()
    assert found.costs[:, 0].tolist() == [-4.0, -6.0]
    assert found.costs[:, 1].tolist() == there.known.of(rows[[0, 2]])["macs"].tolist()
    assert {name: values.tolist() for name, values in found.excesses.items()} == {
        "else": [0.5, 0.5]
    }
    assert found.feasible.tolist() == [False, False]
    assert found.taken.tolist() == rows[:3].tolist()
    assert found.running.tolist() == rows[3:].tolist()
    assert (wanted.highest.tolist(), wanted.lowest.tolist()) == ([-5.0, np.inf], [-np.inf, -np.inf])
