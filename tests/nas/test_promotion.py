"""Fair promotion from rung to rung, and the rung by which a candidate counts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mvt_nas.nas.multi_fidelity.promotion import expected_accuracy, promoted
from mvt_nas.nas.problem.objectives import Budget
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.rungs import Rung, RungResult, apply_rungs


def test_the_best_ranks_go_on() -> None:
    costs = np.array([[3.0, 1.0], [1.0, 3.0], [2.0, 2.0], [2.5, 2.5], [3.5, 3.5], [np.nan, 0.0]])
    none = np.zeros(6, dtype=bool)
    assert set(promoted(costs, np.ones(6), none, 3, 3)) == {0, 1, 2}
    assert promoted(costs, np.ones(6), none, 9, 5)[3:] == [3, 4]
    assert promoted(costs, np.ones(6), np.array([True, True, True, False, False, False]), 1, 4) == [
        3
    ]


def test_half_of_the_places_are_for_every_size() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.permutation(40).astype(
        float
    )  # the larger, the better: by accuracy alone no small one would go on
    costs, none = np.column_stack([-sizes, np.zeros(40)]), np.zeros(40, dtype=bool)
    chosen = promoted(costs, sizes, none, 16, 16)
    assert Counter((sizes[chosen] // 10).astype(int).tolist()) == {0: 2, 1: 2, 2: 2, 3: 10}
    assert {int(size) for size in sizes[chosen]} == {8, 9, 18, 19, 28, 29, *range(30, 40)}
    first = promoted(costs, sizes, none, 4, 16)
    assert sorted(sizes[first] // 10) == [0, 1, 2, 3]
    taken = np.isin(np.arange(40), first)
    assert {*first, *promoted(costs, sizes, taken, 12, 16)} == {*chosen}  # in batches as at once
    assert [
        int(sizes[n])
        for n in promoted(costs, sizes, np.isin(sizes, [9, 8, 19, 18, 29, 28, 31, 30]), 8, 16)
    ] == [
        39,
        38,
        37,
        36,
        35,
        34,
        33,
        32,
    ]


def test_what_the_next_rung_shows_corrects_what_is_expected() -> None:
    rng = np.random.default_rng(0)
    features = rng.uniform(size=(60, 2))
    below, gains = rng.uniform(20, 40, 60), 10 * features[:, 0]
    reached = np.where(np.arange(60) < 30, below + gains, np.nan)
    found = expected_accuracy(below, features, np.arange(2), reached)
    assert (found[:30] == reached[:30]).all()
    assert np.abs(found[30:] - (below + gains)[30:]).max() < 1.0  # of gains from 0 to 10
    assert (
        expected_accuracy(below, features, np.arange(2), np.full(60, np.nan)).tolist()
        == below.tolist()
    )
    few = np.where(np.arange(60) < 2, below + 4.0, np.nan)
    assert expected_accuracy(below, features, np.arange(2), few) == pytest.approx(below + 4.0)


def candidate(number: int, accuracy: float | None) -> Candidate:
    scores = {"params": float(number)} | (
        {} if accuracy is None else {"trained_accuracy": accuracy}
    )
    return Candidate(
        number, str(number), (number,), "complete" if accuracy is not None else "failed", scores
    )


def test_candidates_count_by_the_highest_rung() -> None:
    candidates = {n: candidate(n, 10.0 + n) for n in range(4)} | {4: candidate(4, None)}
    results = {(n, 2): RungResult(n, 2, 20.0 + n, None, 1.0) for n in (1, 2, 3)} | {
        (3, 8): RungResult(3, 8, 50.0, None, 1.0)
    }
    results |= {
        (2, 8): RungResult(2, 8, None, "diverged", 1.0),
        (0, 8): RungResult(0, 8, 99.0, None, 1.0),
    }
    rungs = {(5, 2): Rung(5, 2, (1, 2, 3)), (5, 8): Rung(5, 8, (2, 3)), (4, 8): Rung(4, 8, (0,))}
    found = apply_rungs(candidates, rungs, results, [Budget.parse("trained_accuracy>=30")], 1)
    assert [found[n].status for n in range(5)] == [
        "stopped",
        "stopped",
        "failed",
        "complete",
        "failed",
    ]
    assert [found[n].scores.get("trained_accuracy") for n in range(5)] == [
        10.0,
        21.0,
        None,
        50.0,
        None,
    ]
    assert [found[n].scores.get("trained_epochs") for n in range(5)] == [1.0, 2.0, None, 8.0, None]
    strict = apply_rungs(candidates, rungs, results, [Budget.parse("trained_accuracy>=60")], 1)
    assert strict[3].status == "infeasible"


def test_where_all_fail_on_a_rung_the_one_below_counts() -> None:
    candidates = {n: candidate(n, 10.0 + n) for n in range(3)}
    results = {
        (2, 2): RungResult(2, 2, 30.0, None, 1.0),
        (2, 8): RungResult(2, 8, None, "diverged", 1.0),
        (1, 2): RungResult(1, 2, 20.0, None, 1.0),
    }
    rungs = {(3, 2): Rung(3, 2, (1, 2)), (3, 8): Rung(3, 8, (2,))}
    found = apply_rungs(candidates, rungs, results, [], 1)
    assert [found[n].status for n in range(3)] == ["stopped", "complete", "failed"]
    assert found[2].seconds == 2.0
