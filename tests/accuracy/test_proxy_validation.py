"""Validation of proxies with known quality."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest
from scipy import stats

from mvt_nas.accuracy.proxy_validation import (
    BETTER,
    NOT_BETTER,
    WORSE,
    ProxyValidation,
    counting_scores,
    validate,
)
from mvt_nas.cost.counts import count
from tests.support.trained_networks import architectures, networks, sizes, smooth

RNG = np.random.default_rng(0)
PARAMS, MACS = sizes(48).T
OWN = RNG.normal(0, 4, 48)  # what accuracy owes to no count
ACCURACY = smooth(48) + OWN
NETWORKS = networks(ACCURACY)
MATCHED = np.arange(0, 48, 3)


@pytest.fixture(scope="module")
def verdicts() -> dict[str, ProxyValidation]:
    gaps = ACCURACY.copy()
    gaps[[3, 9, 20]] = np.nan
    scores = {
        "accuracy": ACCURACY[None],
        "params": PARAMS[None],
        "noise": RNG.normal(size=(3, 48)),
        "backwards": -ACCURACY[None],
        "own": OWN[None],
        "gaps": np.stack([gaps, ACCURACY]),
        "infinite": np.where(np.arange(48) == 5, np.inf, ACCURACY)[None],
        "few": np.where(np.arange(48) < 7, ACCURACY, np.nan)[None],
        "constant": np.ones((1, 48)),
    }
    return {one.proxy: one for one in validate(NETWORKS, scores)}


def test_accuracy_itself_is_better_than_counting(verdicts: dict[str, ProxyValidation]) -> None:
    found = verdicts["accuracy"]
    assert found.verdict == BETTER == "better than counting"
    assert (
        found.tau,
        found.spearman,
        found.tau_split,
        found.tau_partial,
        found.tau_matched,
    ) == pytest.approx((1,) * 5)
    assert (found.ndcg10, found.regret) == pytest.approx((1, 0))
    best = max(
        stats.kendalltau(values[0], ACCURACY).statistic
        for values in counting_scores(NETWORKS).values()
    )
    assert found.delta_low < 1 - best < found.delta_high
    assert found.delta == pytest.approx(1 - best, abs=0.1)


def test_counting_is_not_better_than_counting(verdicts: dict[str, ProxyValidation]) -> None:
    found = verdicts["params"]
    assert found.verdict == NOT_BETTER == "not better than counting"
    assert found.tau == pytest.approx(stats.kendalltau(PARAMS, ACCURACY).statistic)
    assert found.tau_partial == 0
    assert found.delta <= 0.05


def test_noise_is_not_better_and_the_backward_is_worse(
    verdicts: dict[str, ProxyValidation],
) -> None:
    assert verdicts["noise"].verdict in (NOT_BETTER, WORSE)
    assert verdicts["noise"].delta_low < 0
    assert verdicts["constant"].tau == 0
    assert verdicts["constant"].verdict in (NOT_BETTER, WORSE)
    backwards = verdicts["backwards"]
    assert backwards.verdict == WORSE == "worse than counting"
    assert backwards.tau == pytest.approx(-1)
    assert backwards.tau_split == pytest.approx(1)  # with the sign that one half teaches
    assert backwards.regret == pytest.approx(np.ptp(ACCURACY))


def test_what_counting_does_not_know_survives_given_size(
    verdicts: dict[str, ProxyValidation],
) -> None:
    own = verdicts["own"]
    assert own.tau_partial > own.tau + 0.1
    assert own.tau_matched == pytest.approx(
        stats.kendalltau(OWN[MATCHED], ACCURACY[MATCHED]).statistic
    )
    assert own.spearman == pytest.approx(stats.spearmanr(OWN, ACCURACY).statistic)


def test_what_is_not_finite_is_left_out_and_counted(verdicts: dict[str, ProxyValidation]) -> None:
    assert verdicts["accuracy"].n == 48
    assert verdicts["gaps"].n == 45
    assert verdicts["gaps"].tau == pytest.approx(1)
    assert verdicts["gaps"].verdict == BETTER
    assert verdicts["infinite"].n == 47
    assert "few" not in verdicts


def test_the_noise_of_seeds_is_a_share_of_what_networks_differ(
    verdicts: dict[str, ProxyValidation],
) -> None:
    assert verdicts["accuracy"].seed_noise is None
    assert verdicts["gaps"].seed_noise == 0
    rng = np.random.default_rng(1)
    values = ACCURACY + rng.normal(0, 2, (40, 48))
    found = validate(NETWORKS, {"noisy": values})[0].seed_noise
    assert found == pytest.approx(2 / ACCURACY.std(ddof=1), rel=0.05)


def test_verdicts_are_sorted_plain_and_reproducible(verdicts: dict[str, ProxyValidation]) -> None:
    taus = [one.tau for one in verdicts.values()]
    assert taus == sorted(taus, reverse=True)
    plain = json.loads(json.dumps(verdicts["own"].to_dict()))
    assert list(plain) == [field.name for field in fields(ProxyValidation)]
    assert plain["tau"] == pytest.approx(verdicts["own"].tau, abs=1e-5)
    one, two = (validate(NETWORKS, {"own": OWN[None]}, seed=seed)[0] for seed in (3, 3))
    assert one == two
    assert validate(NETWORKS, {"own": OWN[None]}, seed=4)[0].delta_low != one.delta_low


def test_subsets_that_are_too_small_have_no_figure() -> None:
    few = networks(ACCURACY[:18])  # six of one size
    assert validate(few, {"own": OWN[None, :18]})[0].tau_matched is None


def test_counting_counts() -> None:
    counts = [count(one, num_classes=10) for one in architectures(48)]
    found = counting_scores(NETWORKS)
    np.testing.assert_allclose(np.exp(found["params"][0]), [one.params for one in counts])
    np.testing.assert_allclose(np.exp(found["macs"][0]), [one.macs for one in counts])
    ranks = stats.rankdata([one.params for one in counts]) + stats.rankdata(
        [one.macs for one in counts]
    )
    np.testing.assert_array_equal(found["params_macs"][0], ranks)
