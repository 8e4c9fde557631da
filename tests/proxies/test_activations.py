"""Proxies of activations, and the detection of activations."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mvt_nas import zoo
from mvt_nas.models.lowering import lower
from mvt_nas.models.network import build_model
from mvt_nas.proxies import Batch
from mvt_nas.proxies.batches import digits_batch, noise_batch
from mvt_nas.proxies.entropic import entropic, mean_entropy
from mvt_nas.proxies.naswot import PatternAgreement, log_determinant, naswot
from mvt_nas.proxies.passes import run_forward
from mvt_nas.proxies.suite import score_one
from mvt_nas.proxies.swap import pattern_keys, swap
from mvt_nas.space.architecture import Architecture
from tests.support.architectures import random_architecture
from tests.support.external_networks import mobilevit, small_cnn, token_net


def labelled(values: list[list[float]]) -> Batch:
    """Return images of one row of pixels each, (B, 1, 1, units)."""
    images = torch.tensor(values)[:, None, None, :]
    return Batch(images, torch.zeros(len(images), dtype=torch.long))


def passing(units: int, activation: nn.Module) -> nn.Module:
    """Return a network whose one activation sees the pixels as they are."""
    layer = nn.Linear(units, units, bias=False)
    layer.weight = nn.Parameter(torch.eye(units))
    return nn.Sequential(nn.Flatten(), layer, activation)


# ---- NASWOT


@pytest.mark.parametrize(
    "activation", [nn.ReLU(), nn.ReLU(inplace=True), nn.SiLU(), nn.GELU(), nn.LeakyReLU(0.1)]
)
def test_naswot_counts_agreeing_units(activation: nn.Module) -> None:
    batch = labelled([[1.0, 2.0, -1.0, 3.0], [1.0, -2.0, -1.0, -3.0], [-1.0, 2.0, 1.0, 3.0]])
    # On and off: 1101, 1000, 0111. A zero is off.
    kernel = np.array([[4, 2, 2], [2, 4, 0], [2, 0, 4]])
    assert naswot.score(passing(4, activation), batch) == pytest.approx(
        math.log(np.linalg.det(kernel)), rel=1e-12
    )


def test_naswot_of_a_whole_network() -> None:
    batch, codes = noise_batch(6, 32, seed=0), []
    network = small_cnn()
    for activation in (
        module for module in network.modules() if isinstance(module, (nn.ReLU, nn.SiLU))
    ):
        activation.register_forward_pre_hook(
            lambda _module, inputs: codes.append((inputs[0] > 0).flatten(1).clone())
        )
    network[4].eval()
    network(batch.images)
    bits = torch.cat(codes, dim=1).double()
    kernel = bits @ bits.T + (1 - bits) @ (1 - bits).T
    assert naswot.score(small_cnn(), batch) == pytest.approx(
        float(torch.linalg.slogdet(kernel).logabsdet), rel=1e-9
    )


def test_equal_codes_are_reported() -> None:
    batch = labelled([[1.0, -2.0], [3.0, -4.0], [-1.0, 1.0]])
    score = score_one("naswot", passing(2, nn.ReLU()), batch)
    assert score.value == -math.inf
    assert score.status == "not finite (-inf); two images have the same code"
    # Rounding makes the determinant of many images with twins a number, even a large one.
    for seed in range(10):
        bits = (torch.rand(32, 1000, generator=torch.Generator().manual_seed(seed)) > 0.5).double()
        bits[20] = bits[3]
        assert (
            log_determinant((bits @ bits.T + (1 - bits) @ (1 - bits).T) / 1000, 1000) == -math.inf
        )
    # Singular without twins: three images that differ in pairs, two units.
    assert (
        log_determinant(
            torch.tensor([[2.0, 1, 1, 0], [1, 2, 0, 1], [1, 0, 2, 1], [0, 1, 1, 2]]).double() / 2, 2
        )
        == -math.inf
    )


def test_networks_without_activations_are_reported() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    for name in ("naswot", "swap", "entropic"):
        assert (
            score_one(name, network, noise_batch(4, 2, seed=0)).status
            == "not finite (nan); no activations"
        )


# ---- SWAP


@pytest.mark.parametrize("images", [1, 5, 16, 17, 32, 64, 65, 100])
def test_patterns_are_told_apart(images: int) -> None:
    values = torch.randn(images, 3000, generator=torch.Generator().manual_seed(images))
    values[:, 1000:2000] = values[:, :1000]
    values[-1, 2000:] = -values[-1, :1000]
    values[:-1, 2000:] = values[:-1, :1000]
    expected = len(np.unique((values > 0).numpy(), axis=1).T)
    assert len(torch.unique(pattern_keys(values))) == expected
    assert expected == (2 if images == 1 else 32 if images == 5 else expected)


def test_swap_counts_patterns_over_all_layers() -> None:
    batch = labelled([[1.0, 1.0, -1.0, 2.0], [1.0, -1.0, 1.0, -2.0]])
    assert swap.score(passing(4, nn.SiLU()), batch) == 3.0
    twice = nn.Sequential(passing(4, nn.SiLU()), nn.SiLU())
    # The second sees the same signs.
    assert swap.score(twice, batch) == 3.0


def test_swap_does_not_saturate_within_a_layer_at_32_images() -> None:
    network = build_model(zoo("mobilevitv2_050"), num_classes=10, seed=0)
    units = activation_units(replace(zoo("mobilevitv2_050"), resolution_px=64))
    assert units < 2**32 // 1000
    assert 0.5 * units < swap.score(network, digits_batch(32, 64, seed=0)) < units


# ---- entropic score


def test_entropies_of_responses() -> None:
    rows = torch.tensor(
        [[1.0, 5.0, 0.0, -1.0], [1.0, 0.0, 0.0, 3.0], [-1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]
    )
    expected = [math.log(4), 0.0, 0.0, 0.25 * math.log(4) + 0.75 * math.log(4 / 3)]
    for column, entropy in enumerate(expected):
        assert mean_entropy(rows[:, column : column + 1]) == pytest.approx(entropy, abs=1e-6)
    assert mean_entropy(rows) == pytest.approx(sum(expected) / 4, abs=1e-6)
    assert math.isnan(mean_entropy(torch.tensor([[1.0], [math.nan]])))


def test_entropic_score_adds_activations() -> None:
    batch = labelled([[1.0, 2.0], [1.0, 0.0], [1.0, 0.0]])
    assert entropic.score(nn.Sequential(passing(2, nn.ReLU()), nn.ReLU()), batch) == pytest.approx(
        2 * math.log(3) / 2, rel=1e-6
    )


# ---- coverage


def activation_units(architecture: Architecture) -> int:
    """Return for one image the outputs of all activations, as the lowering has them."""
    return sum(
        int(op.output.elements)
        for op in lower(architecture, num_classes=10).ops
        if op.kind == "activation"
    )


@pytest.mark.parametrize("name", ["mobilevit_xxs", "mobilevitv2_050", "mobilevitv3_xxs"])
def test_all_units_of_published_models_are_seen(name: str) -> None:
    check_units(replace(zoo(name), resolution_px=64))


def test_all_units_of_random_architectures_are_seen() -> None:
    random = np.random.default_rng(0)
    for _ in range(12):
        check_units(replace(random_architecture(random), resolution_px=32))


def check_units(architecture: Architecture) -> None:
    batch = digits_batch(2, architecture.resolution_px, seed=0)
    network = build_model(architecture, num_classes=10, seed=0)
    seen = PatternAgreement(network, batch)
    coverage = run_forward(network, batch.images, [seen]).activations
    assert coverage is not None
    assert coverage.seen == coverage.exist == seen.layers == seen.counted
    assert seen.units == activation_units(architecture)


def test_activations_of_external_networks_are_seen() -> None:
    modules = sum("SiLU" in type(module).__name__ for module in mobilevit().modules())
    for network, activations in ((small_cnn(), 2), (token_net(), 2), (mobilevit(), modules)):
        batch = digits_batch(4, 32, seed=0)
        seen = PatternAgreement(network, batch)
        coverage = run_forward(network, batch.images, [seen]).activations
        assert coverage is not None
        assert coverage.gap == ""
        assert seen.layers == activations


class Hidden(nn.Module):
    """Has an activation that it does not use, and uses one that is no module."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(12, 8)
        self.unused: nn.Module = nn.ReLU()
        self.used = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.used(functional.gelu(self.layer(images.flatten(1))) - 0.1)
        return features


def test_activations_that_were_not_seen_are_reported() -> None:
    batch = noise_batch(4, 2, seed=0)
    for name in ("naswot", "swap", "entropic"):
        score = score_one(name, Hidden(), batch)
        assert score.finite
        assert score.status == "1 of 2 activations seen"
    seen = PatternAgreement(Hidden(), batch)
    run_forward(Hidden(), batch.images, [seen])
    assert (seen.layers, seen.units) == (2, 16)


def test_a_module_declares_its_functional_activations() -> None:
    class Declaring(Hidden):
        number = 1

        def functional_activations(self) -> int:
            return self.number

    network = Declaring()
    network.unused = nn.Identity()
    assert score_one("swap", network, noise_batch(4, 2, seed=0)).status == "ok"
    network.number = 3
    # The module computes two activations in all, its own and its child's.
    assert score_one("swap", network, noise_batch(4, 2, seed=0)).status == "3 of 4 activations seen"


def test_activations_that_do_not_go_by_images_are_reported() -> None:
    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.activation = nn.Linear(4, 3), nn.SiLU()

        def forward(self, images: Tensor) -> Tensor:
            tokens = self.layer(images.flatten(2))  # (B, 3, 3)
            turned: Tensor = self.activation(torch.relu(tokens).transpose(0, 1))
            return turned.mean(dim=0)

    score = score_one("swap", Turned(), noise_batch(4, 2, seed=0))
    assert score.finite
    assert score.status == "1 of 2 activations by image seen"
