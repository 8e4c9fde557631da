"""The surrogate on accuracies by a known rule: fit, intervals, and no leakage."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from mvt_nas.accuracy import surrogate as module
from mvt_nas.accuracy.evaluation import SurrogateEvaluation, evaluate
from mvt_nas.accuracy.features import FEATURES, features
from mvt_nas.accuracy.quality import quality
from mvt_nas.accuracy.ranking_metrics import paired_bootstrap
from mvt_nas.accuracy.regressors import RECIPES, RegressorSpec
from mvt_nas.accuracy.surrogate import (
    HeldOutPredictions,
    Surrogate,
    cross_validate,
    cross_validation_splits,
    select_regressor,
)
from mvt_nas.accuracy.table import read_table
from mvt_nas.resources import default_table
from mvt_nas.space.published import zoo
from tests.support.trained_networks import architectures, networks, sizes, smooth

pytestmark = pytest.mark.slow

QUADRATIC = RECIPES[0]


def _noisy(sd: float, n: int = 48, seed: int = 0) -> np.ndarray:
    return smooth(n) + np.random.default_rng(seed).normal(0, sd, n)


@pytest.fixture(scope="module")
def found() -> HeldOutPredictions:
    """Return predictions of networks that were held out, with two regressions to choose from.

    The table that ships is evaluated with all of them, in ``tests/cli/test_accuracy.py``.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "RECIPES", RECIPES[:2])
        return cross_validate(networks(_noisy(0.3)))


def test_a_smooth_rule_is_found(found: HeldOutPredictions) -> None:
    accuracy = _noisy(0.3)
    assert stats.kendalltau(found.percent, accuracy).statistic > 0.85
    assert np.abs(found.percent - accuracy).mean() < 1
    covered = (found.low <= accuracy) & (accuracy <= found.high)
    assert 0.75 <= covered.mean() <= 1
    assert len(found.recipes) == 10
    assert set(found.recipes) <= {recipe.name for recipe in RECIPES[:2]}
    np.testing.assert_allclose(found.high - found.percent, found.percent - found.low)


def test_the_accuracy_of_a_network_has_no_say_in_its_own_prediction(
    found: HeldOutPredictions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changed accuracies of a whole fold leave its predictions the same to the last bit."""
    monkeypatch.setattr(module, "RECIPES", RECIPES[:2])
    fold = cross_validation_splits(48, 10, 0)[3][1]
    changed = _noisy(0.3)
    changed[fold] = np.array([5.0, 95.0, 20.0, 80.0, 1.0])[: len(fold)]
    after = cross_validate(networks(changed))
    for name in ("percent", "low", "high"):
        np.testing.assert_array_equal(getattr(after, name)[fold], getattr(found, name)[fold])
    assert after.recipes[3] == found.recipes[3]
    others = np.setdiff1d(np.arange(48), fold)
    assert np.all(after.percent[others] != found.percent[others])


def test_neither_choice_nor_fit_nor_interval_is_given_what_is_held_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accuracy, seen = _noisy(0.3), []
    monkeypatch.setattr(module, "RECIPES", RECIPES[:2])
    for name in ("select_regressor", "_fit", "_stretch"):
        original = getattr(module, name)

        def spy(
            *arguments: object, name: str = name, original: Callable[..., object] = original
        ) -> object:
            seen.append((name, frozenset(np.asarray(arguments[-1]).tolist())))
            return original(*arguments)

        monkeypatch.setattr(module, name, spy)
    cross_validate(networks(accuracy))
    for name in ("select_regressor", "_stretch"):
        assert [values for one, values in seen if one == name] == [
            frozenset(accuracy[inside]) for inside, _ in cross_validation_splits(48, 10, 0)
        ]
    folds = [frozenset(accuracy[outside]) for _, outside in cross_validation_splits(48, 10, 0)]
    assert all(any(not values & fold for fold in folds) for _, values in seen)


def test_folds_hold_each_network_out_once() -> None:
    for n, folds in ((48, 10), (8, 10), (23, 5)):
        parts = cross_validation_splits(n, folds, 3)
        assert len(parts) == min(n, folds)
        assert sorted(int(index) for _, outside in parts for index in outside) == list(range(n))
        for inside, outside in parts:
            assert sorted([*inside, *outside]) == list(range(n))
            assert abs(len(outside) - n / len(parts)) < 1
    assert [list(b) for _, b in cross_validation_splits(20, 5, 1)] != [
        list(b) for _, b in cross_validation_splits(20, 5, 2)
    ]


def test_noise_is_not_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECIPES", RECIPES[:2])
    taus, covered = [], []
    for seed in range(6):
        accuracy = np.random.default_rng(seed).normal(50, 2, 48)
        found = cross_validate(networks(accuracy))
        taus.append(stats.kendalltau(found.percent, accuracy).statistic)
        covered.append(np.mean((found.low <= accuracy) & (accuracy <= found.high)))
    # Held-out predictions of noise lean the wrong way, since a fold's mean lowers that of the rest.
    assert np.mean(taus) < 0.05
    assert np.max(taus) < 0.25
    assert np.mean(covered) == pytest.approx(0.9, abs=0.06)


def test_intervals_hold_nine_tenths_of_new_networks() -> None:
    """Over repeated tables, of networks that no table has seen, for small and large noise."""
    train, fresh = 40, 80
    table = features(architectures(train + fresh), num_classes=10)
    rule = smooth(train + fresh)
    for sd in (0.5, 3.0):
        shares = []
        for seed in range(12):
            accuracy = rule + np.random.default_rng(seed).normal(0, sd, train + fresh)
            own = dataclasses.replace(
                networks(accuracy[:train]), architectures=architectures(train + fresh)[:train]
            )
            estimates = Surrogate(own, QUADRATIC).predict_features(table[train:])
            shares.append(
                np.mean((estimates.low <= accuracy[train:]) & (accuracy[train:] <= estimates.high))
            )
        assert 0.85 <= np.mean(shares) <= 0.98, sd


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_regression_follows_a_smooth_rule(recipe: RegressorSpec) -> None:
    fitted = Surrogate(networks(_noisy(0.1)), recipe)
    estimates = fitted.predict(architectures(48))
    assert stats.kendalltau(estimates.percent, smooth()).statistic > 0.8
    assert np.all(estimates.low < estimates.high)
    assert fitted.recipe is recipe


def test_the_better_regression_is_chosen() -> None:
    """For accuracy by size alone, with little noise, the regressor on size beats a line."""
    table = features(architectures(48), num_classes=10)
    standard = (table - table.mean(axis=0)) / np.maximum(table.std(axis=0), 1e-9)
    chosen = select_regressor(standard, smooth())
    taus = {
        recipe.name: (
            stats.kendalltau(
                module._cross_validated(recipe, standard, smooth())[0], smooth()
            ).statistic
        )
        for recipe in RECIPES
    }
    assert taus[chosen.name] == max(taus.values())


def test_networks_beyond_the_table_are_marked() -> None:
    fitted = Surrogate(networks(_noisy(0.3)), QUADRATIC)
    assert not fitted.predict(architectures(48)).outside.any()
    assert fitted.predict([zoo("mobilevit_s"), architectures(48)[0]]).outside.tolist() == [
        True,
        False,
    ]
    table = features(architectures(48), num_classes=10)
    for name in ("log params", "log macs"):
        column = FEATURES.index(name)
        for end, sign in ((table[:, column].max(), 1), (table[:, column].min(), -1)):
            row = np.median(table, axis=0)[None].repeat(2, axis=0)
            row[:, column] = end + sign * np.array([0.09, 0.11])  # logarithms: 9 and 11 % beyond
            assert fitted.predict_features(row).outside.tolist() == [False, True]


def test_predictions_repeat_and_leave_random_state_alone() -> None:
    np.random.seed(5)
    state = np.random.get_state()[1].copy()  # type: ignore[index]
    one, two = (
        Surrogate(networks(_noisy(0.3)), RECIPES[3]).predict(architectures(12)) for _ in range(2)
    )
    np.testing.assert_array_equal(one.percent, two.percent)
    np.testing.assert_array_equal(one.high, two.high)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # type: ignore[index]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_networks_that_all_failed_alike_are_predicted_alike(recipe: RegressorSpec) -> None:
    estimates = Surrogate(networks(np.full(12, 10.0)), recipe).predict(architectures(12))
    np.testing.assert_allclose(estimates.percent, 10, atol=1e-6)
    assert np.isfinite(estimates.low).all()
    assert np.all(estimates.low <= estimates.high)


NAMES = [
    "n",
    "tau",
    "tau_matched",
    "n_matched",
    "tau_params",
    "tau_macs",
    "tau_params_macs",
    "best_counting",
    "delta_low",
    "delta_high",
    "noise_ceiling",
    "noise_ceiling_matched",
    "seed_sd",
    "mae",
    "coverage90",
    "coverage_n",
]


def _evaluate(monkeypatch: pytest.MonkeyPatch, accuracy: np.ndarray) -> SurrogateEvaluation:
    """Return figures quickly: two of the regressions, few resamples."""
    from mvt_nas.accuracy import evaluation

    original = paired_bootstrap
    monkeypatch.setattr(module, "RECIPES", RECIPES[:2])
    monkeypatch.setattr(
        evaluation,
        "paired_bootstrap",
        lambda figure, n, rng: original(figure, n, rng, resamples=200),
    )
    return evaluate(networks(accuracy))


def test_the_figures_are_those_of_the_predictions(monkeypatch: pytest.MonkeyPatch) -> None:
    accuracy = _noisy(0.3)
    evaluated = _evaluate(monkeypatch, accuracy)
    figures, held, matched = evaluated.figures, evaluated.held_out, np.arange(0, 48, 3)
    assert list(figures) == NAMES
    params, macs = sizes(48).T
    ranks = stats.rankdata(params) + stats.rankdata(macs)
    expected = {
        "tau": stats.kendalltau(held.percent, accuracy).statistic,
        "tau_matched": stats.kendalltau(held.percent[matched], accuracy[matched]).statistic,
        "tau_params": stats.kendalltau(params, accuracy).statistic,
        "tau_macs": stats.kendalltau(macs, accuracy).statistic,
        "tau_params_macs": stats.kendalltau(ranks, accuracy).statistic,
        "mae": np.abs(held.percent - accuracy).mean(),
        "coverage90": np.mean(np.abs(held.percent - accuracy) <= held.high - held.percent),
        "seed_sd": 0.3,
    }
    assert {name: figures[name] for name in expected} == pytest.approx(expected, abs=1e-5)
    assert (figures["n"], figures["n_matched"], figures["coverage_n"]) == (48, 16, 48)
    best = max(("params", "macs", "params_macs"), key=lambda name: figures[f"tau_{name}"])
    assert figures["best_counting"] == best
    assert figures["delta_low"] < figures["tau"] - figures[f"tau_{best}"] < figures["delta_high"]
    assert figures["tau"] < figures["noise_ceiling"] < 1


def test_noise_is_not_evaluated_as_better_than_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = _evaluate(monkeypatch, np.random.default_rng(11).normal(50, 2, 48)).figures
    assert figures["delta_low"] < 0
    assert figures["tau"] < 0.2


def test_what_was_found_out_about_a_table_need_not_be_found_out_again() -> None:
    path = default_table()
    table, kept = read_table(path), quality(path)
    assert kept.stretch is not None
    expected = Surrogate(table.networks(), kept.regression()).predict(architectures(12))
    for found in (kept, dataclasses.replace(kept, stretch=None)):
        estimates = found.surrogate(table).predict(architectures(12))
        assert estimates.percent.tolist() == expected.percent.tolist()
        assert estimates.low == pytest.approx(expected.low, abs=1e-5)
    wider = (
        dataclasses.replace(kept, stretch=2 * kept.stretch)
        .surrogate(table)
        .predict(architectures(12))
    )
    assert (wider.percent - wider.low) == pytest.approx(
        2 * (expected.percent - expected.low), abs=1e-4
    )
