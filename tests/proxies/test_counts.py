"""Counting baselines and aggregates: against the lowering, by hand, and the sample."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mvt_nas import count, load_space, zoo
from mvt_nas.models.lowering import lower
from mvt_nas.models.network import build_model
from mvt_nas.proxies import PROXIES
from mvt_nas.proxies import reference_sample as sample
from mvt_nas.proxies import reference_sample_figures as figures
from mvt_nas.proxies.aggregate import aggregate
from mvt_nas.proxies.batches import digits_batch, noise_batch
from mvt_nas.proxies.channel_entropy import channel_entropy
from mvt_nas.proxies.counting_rank import counting_rank, log_rank
from mvt_nas.proxies.counts import count_layers, counted_macs, depth, macs, params
from mvt_nas.space.architecture import Architecture
from tests.support.architectures import random_architecture
from tests.support.external_networks import mobilevit, small_cnn, token_net


def random_architectures(number: int) -> list[Architecture]:
    random = np.random.default_rng(1)
    return [replace(random_architecture(random), resolution_px=64) for _ in range(number)]


# ---- counts


@pytest.mark.parametrize(
    "architecture",
    [zoo("mobilevit_xxs"), zoo("mobilevitv2_075"), zoo("mobilevitv3_xs"), *random_architectures(8)],
    ids=lambda a: a.key,
)
def test_counts_of_our_networks_are_those_of_the_lowering(architecture: Architecture) -> None:
    network = build_model(architecture, num_classes=10, seed=0)
    batch = noise_batch(2, 64, seed=0)
    small = replace(architecture, resolution_px=64)
    kernels = [op for op in lower(small, num_classes=10).ops if op.kind in ("conv", "linear")]
    assert params.score(network, batch) == count(small, num_classes=10).params
    assert depth.score(network, batch) == len(kernels)
    # Torch, which counts what runs, agrees.
    assert (
        macs.score(network, batch)
        == count(small, num_classes=10).macs
        == counted_macs(network, batch.images)
    )


def test_counts_by_hand() -> None:
    batch = noise_batch(2, 32, seed=0)
    # 3 x 3 convolutions 3 -> 8 at stride 2 (15 x 15 pixels left) and 8 -> 8, and a linear map 8 ->
    # 10.
    assert macs.score(small_cnn(), batch) == 15 * 15 * (27 * 8 + 72 * 8) + 80
    assert params.score(small_cnn(), batch) == (27 * 8 + 8) + 16 + 72 * 8 + 16 + 90
    assert depth.score(small_cnn(), batch) == 3
    # 16 tokens of 16 channels: patches, two layers of four matrices and two products of attention
    # each, head.
    layer = 16 * (3 * 16 * 16 + 16 * 16 + 2 * 16 * 32) + 2 * 16 * 16 * 16
    assert macs.score(token_net(), batch) == 16 * 3 * 64 * 16 + 2 * layer + 160
    assert depth.score(token_net(), batch) == 1 + 2 * 4 + 1


def test_shared_weights_count_once() -> None:
    shared = nn.Linear(12, 12)
    network = nn.Sequential(nn.Flatten(), shared, shared)
    batch = noise_batch(2, 2, seed=0)
    assert params.score(network, batch) == 12 * 12 + 12
    assert depth.score(network, batch) == 1
    assert macs.score(network, batch) == 2 * 12 * 12


def test_macs_where_shapes_alone_are_not_enough() -> None:
    class Valued(nn.Linear):
        def __init__(self) -> None:
            super().__init__(12, 5)
            self.scale = torch.ones(())

        def forward(self, input: Tensor) -> Tensor:
            features = super().forward(input.flatten(1)) * self.scale
            return features if features.sum().item() > -1e9 else -features

    network = Valued()
    assert macs.score(network, noise_batch(3, 2, seed=0)) == 60


def test_macs_of_images_that_are_not_square() -> None:
    network = build_model(zoo("mobilevit_xxs"), num_classes=10, seed=0)
    batch = noise_batch(2, 64, seed=0)
    wide = type(batch)(torch.cat([batch.images, batch.images], dim=3), batch.labels)
    assert 2.0 < macs.score(network, wide) / macs.score(network, batch) < 2.1


# ---- aggregates


def test_counting_rank_is_the_sum_of_log_ranks() -> None:
    network, batch = (
        build_model(zoo("mobilevit_s"), num_classes=10, seed=0),
        noise_batch(2, 64, seed=0),
    )
    counts = (
        math.log(params.score(network, batch)),
        math.log(macs.score(network, batch)),
        depth.score(network, batch),
    )
    constants = (sample.LOG_PARAMS, sample.LOG_MACS, sample.DEPTH)
    expected = sum(
        math.log((1 + 200 * np.interp(value, constant.quantiles, np.arange(11) / 10)) / 201)
        for value, constant in zip(counts, constants, strict=True)
    )
    assert counting_rank.score(network, batch) == pytest.approx(expected, rel=1e-12)
    assert log_rank(0.0, sample.DEPTH) == -math.log(201)
    assert log_rank(1e9, sample.DEPTH) == 0.0
    assert log_rank(sample.DEPTH.quantiles[5], sample.DEPTH) == pytest.approx(math.log(101 / 201))


def test_counting_rank_depends_little_on_the_resolution() -> None:
    network = build_model(zoo("mobilevit_s"), num_classes=10, seed=0)
    small, large = (
        counting_rank.score(network, noise_batch(2, pixels, seed=0)) for pixels in (64, 128)
    )
    assert small == pytest.approx(large, abs=0.1)


def test_aggregate_is_the_mean_of_standard_scores() -> None:
    network, batch = (
        build_model(zoo("mobilevit_xxs"), num_classes=10, seed=0),
        digits_batch(8, 64, seed=0),
    )
    expected = (
        (math.log(params.score(network, batch)) - 16.4349) / 0.754029
        + (math.log(macs.score(network, batch)) - 19.5257) / 0.635597
        + (channel_entropy.score(network, batch) - 54.4917) / 9.07141
    ) / 3
    assert aggregate.score(network, batch) == pytest.approx(expected, rel=1e-9)


def test_aggregates_of_a_network_do_not_depend_on_others() -> None:
    batch = digits_batch(8, 32, seed=0)
    alone = [PROXIES.get(name).score(mobilevit(), batch) for name in ("aggregate", "counting_rank")]
    for name in ("mobilevit_xxs", "mobilevitv2_050"):
        aggregate.score(build_model(zoo(name), num_classes=10, seed=0), batch)
    assert [
        PROXIES.get(name).score(mobilevit(), batch) for name in ("aggregate", "counting_rank")
    ] == alone


@cache
def sampled_architectures() -> list[Architecture]:
    space = load_space(sample.SPACE)
    return [
        replace(one, resolution_px=64)
        for one in space.decode_many(space.sample(sample.SIZE, sample.SEED))
    ]


@pytest.mark.slow
def test_the_constants_of_the_counts_are_those_of_the_sample() -> None:
    architectures = sampled_architectures()
    counts = [count(one, num_classes=10) for one in architectures]
    layers = [
        float(count_layers(build_model(one, num_classes=10, device="meta")))
        for one in architectures
    ]
    assert (
        sample.SampleDistribution.of([math.log(each.params) for each in counts])
        == sample.LOG_PARAMS
    )
    assert sample.SampleDistribution.of([math.log(each.macs) for each in counts]) == sample.LOG_MACS
    assert sample.SampleDistribution.of(layers) == sample.DEPTH


@pytest.mark.slow
def test_the_sample_is_measured_as_it_says() -> None:
    batch = digits_batch(32, 64, seed=0)
    for entry, architecture in zip(figures.measure(2), sampled_architectures(), strict=False):
        network = build_model(architecture, num_classes=10, seed=0)
        expected = [
            math.log(count(architecture, num_classes=10).params),
            math.log(count(architecture, num_classes=10).macs),
        ]
        assert [entry["LOG_PARAMS"], entry["LOG_MACS"]] == pytest.approx(expected, rel=1e-12)
        assert entry["CHANNEL_ENTROPY"] == channel_entropy.score(network, batch)


@pytest.mark.soak
def test_the_constants_are_those_of_the_sample(capsys: pytest.CaptureFixture[str]) -> None:
    figures.main()
    out = capsys.readouterr().out
    assert f"CHANNEL_ENTROPY = {sample.CHANNEL_ENTROPY}" in out
    assert f"LOG_PARAMS = {sample.LOG_PARAMS}" in out
