"""Planned networks: features, subsets of the promised sizes, shrunk published designs."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from mvt_nas.accuracy.design import (
    ARCHITECTURES,
    CHOICES,
    MATCHED,
    SPREAD,
    PlannedNetwork,
    plan_networks,
    repeats,
    scaled_down,
)
from mvt_nas.accuracy.features import FEATURES, FeatureTable, features
from mvt_nas.accuracy.protocol import as_trained
from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.cost.counts import count
from mvt_nas.errors import SpaceError
from mvt_nas.space.published import published_names, zoo
from mvt_nas.space.search_space import load_space
from mvt_nas.training.short_recipe import ShortRecipe
from tests.support.spaces import random_rows
from tests.support.trained_networks import architectures

SPACE = load_space("small_images")


@pytest.mark.parametrize("name", ["small_images", "mobilevit"])
def test_features_of_rows_are_those_of_their_architectures(name: str) -> None:
    space = load_space(name)
    rows = np.concatenate([space.sample(12, 3), random_rows(space, 4000, 4)[:12]])
    found = FeatureTable(space, num_classes=7).features(rows)
    assert found.shape == (len(rows), len(FEATURES))
    assert len(rows) >= 12
    np.testing.assert_allclose(
        found, features([space.decode(row) for row in rows], num_classes=7), rtol=1e-9
    )


def test_counts_are_among_the_features() -> None:
    found = features(architectures(12), num_classes=10)
    counts = [count(one, num_classes=10) for one in architectures(12)]
    np.testing.assert_allclose(
        np.exp(found[:, FEATURES.index("log params")]), [one.params for one in counts]
    )
    np.testing.assert_allclose(
        np.exp(found[:, FEATURES.index("log macs")]), [one.macs for one in counts]
    )
    assert len(set(FEATURES)) == len(FEATURES)
    assert np.isfinite(found).all()


def test_published_models_have_finite_features() -> None:
    found = features([zoo(name) for name in published_names()], num_classes=1000)
    assert np.isfinite(found).all()
    assert len(np.unique(found.round(9), axis=0)) == 19


def _macs(planned: list[PlannedNetwork]) -> np.ndarray:
    return np.array([count(one.architecture, num_classes=10).macs for one in planned], dtype=float)


def test_both_subsets_have_the_sizes_that_they_promise() -> None:
    planned, budget = plan_networks(
        SPACE, spread=24, matched=10, num_classes=10, seed=5, draw=ARCHITECTURES
    )
    assert [one.subset for one in planned] == [SPREAD] * 24 + [MATCHED] * 10
    assert [one.title for one in planned] == [f"spread5.{n}" for n in range(1, 25)] + [
        f"matched5.{n}" for n in range(1, 11)
    ]
    keys = [one.architecture.key for one in planned]
    assert len(set(keys)) == len(keys)
    matched = _macs(planned[24:])
    assert np.all(np.abs(matched / budget - 1) <= 0.05)
    # Twelve strata between the percentiles of what the space holds: two networks in each.
    pool = np.array(
        [count(SPACE.decode(row), num_classes=10).macs for row in SPACE.sample(2000, 9)],
        dtype=float,
    )
    assert budget == pytest.approx(np.median(pool), rel=0.1)
    logs = np.log(_macs(planned[:24]))
    low, high = np.log(np.quantile(pool, [0.01, 0.99]))
    share = np.histogram(logs, np.linspace(low - 0.15, high + 0.15, 7))[0]
    assert share.sum() == 24
    assert share.min() >= 2
    assert share.max() <= 6
    # An even spread over the logarithm: far from the crowd of the space in the middle.
    drawn = np.histogram(np.log(pool), np.linspace(low, high, 7))[0] / len(pool)
    assert drawn.max() > 2 * share.max() / 24 or drawn.min() < share.min() / 24


def test_plain_convolutional_stages_are_among_the_choices() -> None:
    def blocks(draw: str) -> list[int]:
        planned, _ = plan_networks(SPACE, spread=24, matched=12, num_classes=10, seed=2, draw=draw)
        assert len({one.architecture.key for one in planned}) == 36
        assert all(SPACE.contains(one.architecture) for one in planned)
        return [
            sum(stage.block is not None for stage in one.architecture.stages) for one in planned
        ]

    assert blocks(ARCHITECTURES).count(2) >= 34
    found = blocks(CHOICES)
    assert min(found.count(number) for number in (0, 1, 2)) >= 5


def test_networks_of_one_size_differ_otherwise() -> None:
    planned, budget = plan_networks(
        SPACE, spread=0, matched=12, num_classes=10, seed=1, budget=2.5e6
    )
    assert budget == 2.5e6
    assert np.all(np.abs(_macs(planned) / 2.5e6 - 1) <= 0.05)
    chosen = features([one.architecture for one in planned], num_classes=10)
    rows = SPACE.sample(3000, 2)
    pool = FeatureTable(SPACE, num_classes=10).features(rows)
    near = pool[np.abs(np.exp(pool[:, FEATURES.index("log macs")]) / 2.5e6 - 1) <= 0.05]
    scale = np.maximum(near.std(axis=0), 1e-9)

    def nearest(table: np.ndarray) -> float:
        distance = np.linalg.norm((table[:, None] - table) / scale, axis=2)
        return float((distance + np.diag(np.full(len(table), np.inf))).min(axis=1).mean())

    drawn = [
        nearest(near[np.random.default_rng(seed).permutation(len(near))[:12]]) for seed in range(20)
    ]
    assert nearest(chosen) > np.mean(drawn)


def test_the_choice_is_reproducible_and_follows_the_seed() -> None:
    first = plan_networks(SPACE, spread=8, matched=4, num_classes=10, seed=3)
    assert plan_networks(SPACE, spread=8, matched=4, num_classes=10, seed=3) == first
    assert plan_networks(SPACE, spread=8, matched=4, num_classes=10, seed=4)[0] != first[0]


def test_the_largest_network_is_bounded() -> None:
    planned, budget = plan_networks(
        SPACE, spread=10, matched=4, num_classes=10, seed=0, most_macs=1.5e6
    )
    assert _macs(planned).max() <= 1.5e6
    assert budget < 1.5e6


def test_spaces_without_such_networks_are_told() -> None:
    with pytest.raises(
        SpaceError,
        match=r"small_images: \d+ networks of 20000 drawn are small enough; 30 are needed",
    ):
        plan_networks(SPACE, spread=20, matched=10, num_classes=10, seed=0, most_macs=150_000)
    with pytest.raises(
        SpaceError, match=r"small_images: 0 of \d+ networks have about 1e\+09 MACs; 10 are needed"
    ):
        plan_networks(SPACE, spread=20, matched=10, num_classes=10, seed=0, budget=1e9)


@pytest.mark.parametrize("name", ["mobilevit_s", "mobilevitv2_200", "mobilevitv3_xs_l2"])
def test_shrinking_keeps_the_structure(name: str) -> None:
    whole = as_trained(zoo(name), ShortRecipe())
    found = scaled_down(whole, 10e6, num_classes=10)
    assert 5e6 < count(found, num_classes=10).macs <= 10e6
    assert found.resolution_px == whole.resolution_px
    for before, after in zip(whole.stages, found.stages, strict=True):
        assert (after.stride, after.depth, after.expansion) == (
            before.stride,
            before.depth,
            before.expansion,
        )
        assert after.width % 8 == 0
        assert 8 <= after.width <= before.width
        assert type(after.block) is type(before.block)
        if isinstance(before.block, MobileViT) and isinstance(after.block, MobileViT):
            assert (
                dataclasses.replace(after.block, dim=before.block.dim, ffn_dim=before.block.ffn_dim)
                == before.block
            )
            assert after.block.dim % 8 == 0
            assert after.block.dim % (after.block.heads or 1) == 0
            assert after.block.dim < before.block.dim


def test_shrinking_is_the_largest_that_fits() -> None:
    whole = as_trained(zoo("mobilevit_xxs"), ShortRecipe())
    macs = [
        count(scaled_down(whole, budget, num_classes=10), num_classes=10).macs
        for budget in (4e6, 8e6, 16e6)
    ]
    assert macs == sorted(macs)
    assert all(found <= budget for found, budget in zip(macs, (4e6, 8e6, 16e6), strict=True))
    full = count(whole, num_classes=10).macs
    assert scaled_down(whole, full, num_classes=10) == scaled_down(whole, 10 * full, num_classes=10)
    assert count(scaled_down(whole, full, num_classes=10), num_classes=10).macs > 0.8 * full
    # Out of reach: as small as it gets.
    least = scaled_down(whole, 1, num_classes=10)
    assert {stage.width for stage in least.stages} == {8}


def test_repeats_are_spread_over_all() -> None:
    planned = [PlannedNetwork(SPREAD, f"n{n}", one) for n, one in enumerate(architectures(12))]
    assert repeats(planned, 0) == []
    assert [one.title for one in repeats(planned, 3)] == ["n0", "n6", "n11"]
    assert repeats(planned, 12) == planned
    assert repeats(planned, 100) == planned
    gaps = [int(b.title[1:]) - int(a.title[1:]) for a, b in itertools.pairwise(repeats(planned, 5))]
    assert set(gaps) <= {2, 3}
