"""The scaling law, against a plain conditioning of one joint Gaussian."""

from __future__ import annotations

import numpy as np
import pytest

from mvt_nas.accuracy.imagenet.law import (
    CEILING,
    columns,
    fit_law,
    form,
    hold_out_families,
    link,
    unlink,
)
from mvt_nas.accuracy.imagenet.published_results import PublishedResult, published_results


def result(
    family: str, params: float, macs: float, top1: float, **others: object
) -> PublishedResult:
    """Return a published result."""
    given: dict[str, object] = {
        "name": f"{family} {params}",
        "family": family,
        "params": params,
        "macs": macs,
        "resolution_px": 224.0,
        "top1": top1,
        "recipe": "cnn-basic",
        "epochs": 300.0,
        "source": "here",
    }
    return PublishedResult(**given | others)  # type: ignore[arg-type]


SOME = [
    result("a", 2e6, 2e8, 68.0),
    result("a", 5e6, 8e8, 75.0, recipe="strong-aug"),
    result("b", 9e6, 2e9, 79.0, resolution_px=256.0),
    result("b", 2e7, 4e9, 81.0, recipe="distilled", epochs=1000.0),
    result("c", 4e6, 3e8, 72.0),
]


def test_the_link_is_its_own_inverse_and_never_leaves_its_range() -> None:
    percent = np.array([0.5, 40.0, 80.0, 87.9])
    assert unlink(link(percent)) == pytest.approx(percent)
    assert unlink(np.array([-50.0, 50.0])) == pytest.approx([CEILING, 0.0])


def test_the_posterior_is_that_of_the_joint_gaussian() -> None:
    law = fit_law(SOME)
    values = columns(
        [one.params for one in SOME],
        [one.macs for one in SOME],
        [one.resolution_px for one in SOME],
        strong=np.array([0.0, 1, 0, 0, 0]),
        distilled=np.array([0.0, 0, 0, 1, 0]),
        long=np.array([0.0, 0, 0, 1, 0]),
    )
    families = np.array([one.family for one in SOME])
    p = values[:, 1]
    same = families[:, None] == families[None]
    prior = np.diag(np.array([10.0, 0.05, 0.05, 0.05, 0.5, 0.5, 0.5, 0.3]) ** 2)
    mean = np.array([-2.0, 0, 0, 0, 0, 0, 0, 0])
    noise = same * (0.23**2 + 0.07**2 * np.outer(p, p)) + 0.115**2 * np.eye(5)
    gain = prior @ values.T @ np.linalg.inv(values @ prior @ values.T + noise)
    z = link([one.top1 for one in SOME]) - form(values)
    assert law.mean == pytest.approx(mean + gain @ (z - values @ mean), abs=1e-9)
    assert law.covariance == pytest.approx(prior - gain @ values @ prior, abs=1e-9)


def test_networks_trained_on_more_data_are_left_out() -> None:
    more = [*SOME, result("a", 3e6, 3e8, 86.0, recipe="21k")]
    assert np.array_equal(fit_law(more).mean, fit_law(SOME).mean)


def test_nine_tenths_of_44_unseen_families_are_in_their_intervals() -> None:
    found = hold_out_families(published_results(), 1.645)
    good = found.top1 > 70
    assert found.families == 44
    assert 0.88 <= found.inside.mean() <= 0.95
    assert np.abs(found.predicted - found.top1)[good].mean() <= 1.8


def test_a_held_out_family_has_no_influence_on_its_prediction() -> None:
    changed = [
        one if one.family != "levit" else PublishedResult(**_fields(one) | {"top1": one.top1 - 20})
        for one in published_results()
    ]
    families = np.array([one.family for one in published_results() if one.recipe != "21k"])
    before, after = hold_out_families(published_results(), 1.645), hold_out_families(changed, 1.645)
    members = families == "levit"
    assert np.array_equal(before.predicted[members], after.predicted[members])
    assert not np.array_equal(before.predicted[~members], after.predicted[~members])


def _fields(one: PublishedResult) -> dict[str, object]:
    return {name: getattr(one, name) for name in PublishedResult.__dataclass_fields__}
