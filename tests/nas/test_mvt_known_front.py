"""The front of known costs, batch by batch: ranks, widest points, and what is read once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mvt_nas.nas.mvt import known_front
from mvt_nas.nas.mvt import pareto_search as fronts
from mvt_nas.nas.mvt.known_front import KnownFrontSearch
from mvt_nas.pareto import hypervolume, pareto_ranks
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import load_space
from tests.support.known_costs import as_set, feasibility, goals, seen, told
from tests.support.searches import search_less, small_space


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
