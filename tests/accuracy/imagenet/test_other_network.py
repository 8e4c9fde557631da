"""Estimates of networks of unknown families, against families that the law was not fitted to."""

from __future__ import annotations

import numpy as np
import pytest

from mvt_nas.accuracy.imagenet.constants import OBSERVED_FAMILY
from mvt_nas.accuracy.imagenet.law import (
    EXTRA_DATA_RECIPE,
    LONG_EPOCHS,
    fit_law,
    hold_out_families,
)
from mvt_nas.accuracy.imagenet.other_network import KNOWN_SIZES, estimate_other, unknown_size
from mvt_nas.accuracy.imagenet.published_results import published_results
from mvt_nas.metrics.binomial import Z_90

RESULTS = [one for one in published_results() if one.recipe != EXTRA_DATA_RECIPE]


def test_unseen_families_are_in_their_intervals_as_often_as_when_they_were_held_out() -> None:
    """With the basic recipe both are equal; with other recipes, unknown here, 89 % are inside."""
    held_out = hold_out_families(RESULTS, Z_90)
    inside = np.zeros(len(RESULTS), dtype=bool)
    percent = np.empty(len(RESULTS))
    for family in dict.fromkeys(one.family for one in RESULTS):
        law = fit_law([one for one in RESULTS if one.family != family])
        for index, one in enumerate(RESULTS):
            if one.family == family:
                percent[index], low, high = estimate_other(
                    one.params, one.macs, one.resolution_px, law
                )
                inside[index] = low <= one.top1 <= high
                assert low < percent[index] < high
    basic = np.array(
        [one.recipe == "cnn-basic" and (one.epochs or 0) < LONG_EPOCHS for one in RESULTS]
    )
    assert basic.sum() > 70
    assert percent[basic] == pytest.approx(held_out.predicted[basic])
    assert np.array_equal(inside[basic], held_out.inside[basic])
    assert inside[basic].mean() == pytest.approx(0.9, abs=0.03)
    assert inside.mean() == pytest.approx(0.9, abs=0.03)


def test_mobilenetv2_has_its_published_accuracy_in_its_interval() -> None:
    """Sandler et al. report 72.0 % with 3.4 M parameters and 0.3 G MACs; the law never saw it."""
    percent, low, high = estimate_other(3.5e6, 0.3e9, 224)
    assert percent == pytest.approx(72.0, abs=1.5)
    assert low < 72.0 < high
    assert 8 < high - low < 14


def test_the_known_sizes_are_those_of_the_law() -> None:
    for name, (least, most) in KNOWN_SIZES.items():
        values = [getattr(one, name) for one in RESULTS if one.family != OBSERVED_FAMILY]
        assert least == pytest.approx(min(values), rel=0.01)
        assert most == pytest.approx(max(values), rel=0.01)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((3.5e6, 0.3e9, 224), None),
        ((0.1e6, 0.3e9, 224), "params"),
        ((3.5e6, 1e6, 224), "macs"),
        ((3.5e6, 30e9, 224), "macs"),
        ((3.5e6, 0.3e9, 64), "resolution_px"),
    ],
)
def test_sizes_that_no_published_network_has(
    size: tuple[float, float, float], expected: str | None
) -> None:
    assert unknown_size(*size) == expected
