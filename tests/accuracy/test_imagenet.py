"""The estimate of ImageNet top-1, against an independent fit and the published figures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import Ridge

from mvt_nas.accuracy.imagenet import imagenet_errors, imagenet_top1
from mvt_nas.cost.counts import count
from mvt_nas.space.published import published, published_names, zoo
from mvt_nas.space.search_space import load_space


def _columns() -> tuple[np.ndarray, np.ndarray]:
    """Return log-params, log-MACs and the families' constants, (19, 4), and top-1, (19,)."""
    rows, top1 = [], []
    for name in published_names():
        counts = count(zoo(name))
        separable = name.startswith("mobilevitv2") or name in (
            "mobilevitv3_050",
            "mobilevitv3_075",
            "mobilevitv3_100",
        )
        rows.append(
            [np.log(counts.params), np.log(counts.macs), separable, name.startswith("mobilevitv3")]
        )
        top1.append(published(name).imagenet_top1)
    return np.array(rows, dtype=float), np.array(top1)


def _left_out(parts: list[np.ndarray]) -> np.ndarray:
    """Return estimates of models that were left out, by another library's regression."""
    rows, top1 = _columns()
    result = np.empty(len(top1))
    for part in parts:
        rest = np.setdiff1d(np.arange(len(top1)), part)
        scaled = (rows[:, :2] - rows[rest, :2].mean(axis=0)) / rows[rest, :2].std(axis=0)
        design = np.column_stack([scaled[:, 0], scaled[:, 0] ** 2, scaled[:, 1], rows[:, 2:]])
        result[part] = Ridge(alpha=0.1).fit(design[rest], top1[rest]).predict(design[part])
    return result


def test_models_that_were_left_out_are_off_by_half_a_point() -> None:
    rows, top1 = _columns()
    alone = _left_out([np.array([index]) for index in range(19)])
    errors = imagenet_errors()
    assert errors.leave_one_out == pytest.approx(np.abs(alone - top1).mean(), abs=1e-6)
    assert errors.leave_one_out <= 0.5
    assert errors.tau == pytest.approx(stats.kendalltau(alone, top1).statistic)
    assert errors.tau_params == pytest.approx(stats.kendalltau(rows[:, 0], top1).statistic)
    assert errors.tau > max(errors.tau_params, 0.883)


def test_whole_families_and_sizes_are_left_out() -> None:
    top1 = _columns()[1]
    errors = imagenet_errors()
    families = {"v1": range(3), "v2": range(3, 10), "v3": range(10, 19)}
    found = _left_out([np.array(rows) for rows in families.values()])
    assert errors.leave_family_out == {
        name: pytest.approx(np.abs(found - top1)[list(rows)].mean(), abs=1e-6)
        for name, rows in families.items()
    }
    by_size = _left_out(np.array_split(np.argsort(_columns()[0][:, 0]), 5))
    assert errors.leave_size_out == pytest.approx(np.abs(by_size - top1).mean(), abs=1e-6)


@pytest.mark.parametrize(
    "names",
    [
        ["mobilevit_xxs", "mobilevit_xs", "mobilevit_s"],
        [f"mobilevitv2_{width}" for width in ("050", "075", "100", "125", "150", "175", "200")],
        ["mobilevitv3_xxs", "mobilevitv3_xs", "mobilevitv3_s"],
        ["mobilevitv3_xxs_l2", "mobilevitv3_xs_l2", "mobilevitv3_s_l2"],
        ["mobilevitv3_050", "mobilevitv3_075", "mobilevitv3_100"],
    ],
)
def test_larger_models_of_a_family_are_better(names: list[str]) -> None:
    estimates = [imagenet_top1(zoo(name)).percent for name in names]
    assert estimates == sorted(estimates)
    assert len(set(estimates)) == len(estimates)


@pytest.mark.parametrize("name", published_names())
def test_published_models_are_inside_and_close(name: str) -> None:
    found = imagenet_top1(zoo(name))
    assert found.inside
    assert found.percent == pytest.approx(published(name).imagenet_top1, abs=1)
    assert found.error == imagenet_errors().leave_one_out


def test_other_networks_get_an_estimate_and_are_marked() -> None:
    small = dataclasses.replace(zoo("mobilevit_xxs"), resolution_px=64)
    assert not imagenet_top1(small).inside
    assert imagenet_top1(small).percent < imagenet_top1(zoo("mobilevit_xxs")).percent
    assert not imagenet_top1(dataclasses.replace(zoo("mobilevitv2_200"), resolution_px=512)).inside
    stages = tuple(dataclasses.replace(stage, block=None) for stage in zoo("mobilevit_s").stages)
    plain = imagenet_top1(dataclasses.replace(zoo("mobilevit_s"), stages=stages))
    assert np.isfinite(plain.percent)
    space = load_space("small_images")
    found = [imagenet_top1(space.decode(row)) for row in space.sample(5, 0)]
    assert all(np.isfinite(one.percent) and not one.inside for one in found)


def test_an_estimate_does_not_change_the_fit() -> None:
    first = imagenet_top1(zoo("mobilevit_s"))
    imagenet_top1(dataclasses.replace(zoo("mobilevitv2_200"), resolution_px=512))
    assert imagenet_top1(zoo("mobilevit_s")) == first
