"""Rank correlations and related figures, against scipy, closed forms and simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from mvt_nas.accuracy.ranking_metrics import (
    kendall,
    ndcg,
    noise_ceiling,
    paired_bootstrap,
    partial_kendall,
    regret,
    spearman,
)


@pytest.mark.parametrize("seed", range(4))
def test_correlations_are_those_of_scipy_and_of_counting_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 6, 30), rng.normal(size=30)
    b[3] = b[4]
    assert kendall(a, b) == pytest.approx(stats.kendalltau(a, b).statistic)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    signs = [
        (np.sign(a[i] - a[j]), np.sign(b[i] - b[j]))
        for i, j in itertools.combinations(range(30), 2)
    ]
    concordance = sum(x * y for x, y in signs)
    untied = [sum(pair[side] != 0 for pair in signs) for side in (0, 1)]
    assert kendall(a, b) == pytest.approx(concordance / math.sqrt(untied[0] * untied[1]))


def test_hand_made_orders() -> None:
    assert kendall([1, 2, 3, 4], [10, 20, 40, 30]) == pytest.approx(4 / 6)
    assert spearman([1, 2, 3, 4], [10, 20, 40, 30]) == pytest.approx(1 - 6 * 2 / (4 * 15))
    for figure in (kendall, spearman):
        assert figure([1, 2, 3], [3, 5, 9]) == pytest.approx(1)
        assert figure([1, 2, 3], [9, 5, 3]) == pytest.approx(-1)
        assert figure([1, 1, 1], [9, 5, 3]) == 0
        assert figure([1, 2, 3], [7, 7, 7]) == 0
        assert figure([], []) == 0


def test_a_control_explains_itself() -> None:
    rng = np.random.default_rng(0)
    size, depth = rng.normal(size=60), rng.integers(3, 9, 60).astype(float)
    accuracy = size + 0.3 * rng.normal(size=60)
    assert kendall(np.exp(size), accuracy) > 0.6
    assert partial_kendall(np.exp(size), accuracy, np.column_stack([size, depth])) == 0
    assert partial_kendall(accuracy, depth, np.column_stack([size, depth])) == 0
    assert partial_kendall(np.zeros(60), accuracy, size) == 0


def test_a_signal_other_than_the_controls_survives() -> None:
    rng = np.random.default_rng(1)
    size, signal = rng.normal(size=(2, 200))
    accuracy = size + signal
    assert partial_kendall(signal, accuracy, size) > kendall(signal, accuracy) + 0.1
    # What only follows size keeps nothing; 0.1 is two standard errors.
    follower = size + 0.5 * rng.normal(size=200)
    assert kendall(follower, accuracy) > 0.3
    assert abs(partial_kendall(follower, accuracy, size)) < 0.1


def test_one_control_against_an_independent_regression() -> None:
    rng = np.random.default_rng(2)
    a, b, c = rng.normal(size=(3, 40))
    ranks = [stats.rankdata(values) for values in (a, b, c)]

    def rest(values: np.ndarray) -> np.ndarray:
        line = stats.linregress(ranks[2], values)
        return np.asarray(values - line.slope * ranks[2] - line.intercept)

    expected = stats.kendalltau(rest(ranks[0]), rest(ranks[1])).statistic
    assert partial_kendall(a, b, c) == pytest.approx(expected)
    assert partial_kendall(a, b, np.exp(c)) == pytest.approx(expected)  # only ranks count


def test_ndcg_by_hand() -> None:
    truth = [40, 10, 30, 20]  # gains 1, 0, 2/3, 1/3
    best = 1 + 2 / 3 / math.log2(3)
    assert ndcg([9, 1, 8, 2], truth, k=2) == pytest.approx(1)
    assert ndcg([8, 1, 9, 2], truth, k=2) == pytest.approx((2 / 3 + 1 / math.log2(3)) / best)
    assert ndcg([1, 9, 2, 8], truth, k=2) == pytest.approx((0 + 1 / 3 / math.log2(3)) / best)
    assert ndcg([1, 9, 2, 8], truth, k=1) == 0
    whole = 1 + 2 / 3 / math.log2(3) + 1 / 3 / 2
    assert ndcg([1, 4, 3, 2], truth, k=10) == pytest.approx(
        (2 / 3 / math.log2(3) + 1 / 3 / 2 + 1 / math.log2(5)) / whole
    )


def test_ndcg_is_that_of_another_library() -> None:
    from sklearn.metrics import ndcg_score

    rng = np.random.default_rng(3)
    truth, score = rng.normal(size=(2, 25))
    gains = (stats.rankdata(truth) - 1) / 24
    assert ndcg(score, truth, k=10) == pytest.approx(ndcg_score(gains[None], score[None], k=10))


def test_regret_by_hand() -> None:
    assert regret([0.1, 0.9, 0.5], [70, 71.5, 73]) == 1.5
    assert regret([0.1, 0.9, 0.5], [70, 73, 71]) == 0


def test_the_bootstrap_interval_holds_the_difference_as_often_as_it_says() -> None:
    """The interval of a paired difference contains the true one in about 95 of 100 tables."""
    rng, held, widths = np.random.default_rng(4), 0, []
    for _ in range(200):
        shared = rng.normal(size=40)
        a, b = shared + rng.normal(1.0, 0.2, 40), shared + rng.normal(0.7, 0.2, 40)

        def difference(rows: np.ndarray, a: np.ndarray = a, b: np.ndarray = b) -> float:
            return float(a[rows].mean() - b[rows].mean())

        low, high = paired_bootstrap(difference, 40, rng, resamples=300)
        held += low <= 0.3 <= high
        widths.append(high - low)
    assert (
        178 <= held <= 199
    )  # 0.95 * 200 within four standard errors, less the few that a percentile interval misses
    # Paired: what both share cancels, and the width is that of the two deviations alone.
    assert np.mean(widths) == pytest.approx(2 * 1.96 * 0.2 * math.sqrt(2 / 40), rel=0.1)


def test_the_interval_of_a_difference_of_taus_holds_the_true_one() -> None:
    rng, held = np.random.default_rng(5), 0
    # Kendall's tau of normal variables with correlation r is 2/pi asin(r).
    true = 2 / math.pi * (math.asin(0.8) - math.asin(0.5))
    for _ in range(30):
        accuracy, noise, other = rng.normal(size=(3, 50))
        good, poor = 0.8 * accuracy + 0.6 * noise, 0.5 * accuracy + math.sqrt(0.75) * other

        def figure(
            rows: np.ndarray,
            accuracy: np.ndarray = accuracy,
            good: np.ndarray = good,
            poor: np.ndarray = poor,
        ) -> float:
            return kendall(good[rows], accuracy[rows]) - kendall(poor[rows], accuracy[rows])

        low, high = paired_bootstrap(figure, 50, rng, resamples=100)
        held += low <= true <= high
    assert held >= 25


def test_levels_nest_and_draws_repeat() -> None:
    values = np.random.default_rng(6).normal(size=30)

    def figure(rows: np.ndarray) -> float:
        return float(values[rows].mean())

    wide = paired_bootstrap(figure, 30, np.random.default_rng(0), 500, level=0.95)
    narrow = paired_bootstrap(figure, 30, np.random.default_rng(0), 500, level=0.5)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    assert wide == paired_bootstrap(figure, 30, np.random.default_rng(0), 500, level=0.95)


@pytest.mark.parametrize("seed_sd", [0.3, 1.0, 2.0])
def test_the_ceiling_is_that_of_simulated_tables(seed_sd: float) -> None:
    """From noisy tables alone, the mean ceiling is the tau of the true values with them."""
    rng = np.random.default_rng(7)
    ceilings, reached = [], []
    for _ in range(60):
        true = rng.normal(50, 2, 50)
        measured = true + rng.normal(0, seed_sd, 50)
        ceilings.append(noise_ceiling(measured, seed_sd, rng, draws=20))
        reached.append(kendall(true, measured))
    assert np.mean(ceilings) == pytest.approx(np.mean(reached), abs=0.03)
    # And both are the closed form for normal variables.
    assert np.mean(ceilings) == pytest.approx(
        2 / math.pi * math.asin(1 / math.sqrt(1 + seed_sd**2 / 4)), abs=0.03
    )


def test_ceilings_at_the_ends() -> None:
    rng = np.random.default_rng(8)
    assert noise_ceiling([1, 2, 3, 4], 0, rng) == 1
    assert noise_ceiling([1, 2, 3, 4], 50, rng) == 0  # all of the variance may be noise
    assert noise_ceiling([3, 3, 3], 1, rng) == 0
