"""The interval of a share agrees with its definition, and covers as often as it promises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mvt_nas.metrics.binomial import (
    Z_90,
    accuracy_interval,
    format_accuracy,
    images_to_separate,
    overlap,
    wilson_interval,
)


@pytest.mark.parametrize("count", [1, 7, 60, 1000])
@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.93, 1.0])
def test_the_interval_is_that_of_scipy(part: float, count: int) -> None:
    correct = round(part * count)
    there = stats.binomtest(correct, count).proportion_ci(0.9, method="wilson")
    assert wilson_interval(correct / count, count) == pytest.approx(tuple(there), abs=1e-12)


def test_the_quantile_is_that_of_ninety_percent() -> None:
    assert pytest.approx(stats.norm.ppf(0.95), abs=1e-12) == Z_90


def test_nine_of_ten_intervals_cover_the_true_share() -> None:
    # On average over shares: for a single one, the coverage of any interval of a count fluctuates.
    rng = np.random.default_rng(0)
    covered = []
    for true in rng.uniform(0.02, 0.98, 4000):
        low, high = wilson_interval(rng.binomial(60, true) / 60, 60)
        covered.append(low <= true <= high)
    assert 0.885 < np.mean(covered) < 0.915


@pytest.mark.parametrize(("share", "count"), [(-0.1, 10), (1.1, 10), (float("nan"), 10), (0.5, 0)])
def test_what_is_no_share_is_refused(share: float, count: int) -> None:
    with pytest.raises(ValueError, match="a share of"):
        wilson_interval(share, count)


def test_accuracies_are_in_percent() -> None:
    assert accuracy_interval(72.5, 400) == pytest.approx((68.6858, 76.0119), abs=1e-4)
    # The products of shares and 100 may exceed 100 by a bit.
    assert accuracy_interval(100.00000000000001, 60)[1] == 100.0
    assert format_accuracy(72.5, 400) == "72.5 (68.7 to 76.0)"
    assert format_accuracy(72.5, 400, 2, " %") == "72.50 % (68.7 to 76.0)"


def test_intervals_overlap_as_long_as_no_pair_is_apart() -> None:
    assert overlap([70.0, 72.0, 75.0], 100)
    assert not overlap([70.0, 72.0, 75.0], 10_000)
    # Neighbours overlap, the outer ones do not.
    assert overlap([60.0, 68.0], 200)
    assert overlap([68.0, 76.0], 200)
    assert not overlap([60.0, 68.0, 76.0], 200)


@pytest.mark.parametrize(("low", "high"), [(60.0, 65.0), (88.0, 90.0), (10.0, 40.0)])
def test_on_as_many_images_as_recommended_the_intervals_are_apart(low: float, high: float) -> None:
    images = images_to_separate(low, high)
    assert images is not None
    assert not overlap([low, high], images)
    assert overlap([low, high], round(0.9 * images))
    assert images_to_separate(high, high) is None
