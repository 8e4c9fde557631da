"""Each score against closed forms, and against a second implementation on whole networks."""

from __future__ import annotations

import copy
import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mvt_nas.errors import MetricError
from mvt_nas.proxies import Batch
from mvt_nas.proxies.batches import digits_batch, noise_batch
from mvt_nas.proxies.channel_entropy import channel_entropy, feature_rows, spectral_entropy
from mvt_nas.proxies.log_synflow import log_synflow
from mvt_nas.proxies.module_roles import forward, primary_blocks
from mvt_nas.proxies.preserve import preserve_state
from mvt_nas.proxies.snip import snip
from tests.support.external_networks import (
    NETWORKS,
    Build,
    Residual,
    TokenNet,
    mobilevit,
    small_cnn,
    token_net,
)


def linear(weights: list[list[float]], biases: list[float] | None = None) -> nn.Linear:
    layer = nn.Linear(len(weights[0]), len(weights), bias=biases is not None)
    layer.weight = nn.Parameter(torch.tensor(weights))
    if biases is not None:
        layer.bias = nn.Parameter(torch.tensor(biases))
    return layer


# ---- LogSynFlow


def test_log_synflow_of_two_linear_layers() -> None:
    network = nn.Sequential(
        nn.Flatten(), linear([[1.0, -2.0], [0.5, 0.0]], [-4.0, 1.0]), linear([[3.0, -1.0]])
    )
    # Magnitudes: hidden (1 + 2 + 4, 0.5 + 1) = (7, 1.5), which are dR/dw of the second layer; those
    # of the first are (3, 3), (1, 1).
    expected = (1 + 2) * math.log(4) + 0.5 * math.log(2) + 3 * math.log(8) + 1 * math.log(2.5)
    assert log_synflow.score(network, noise_batch(5, 1, seed=0, in_channels=2)) == pytest.approx(
        expected, rel=1e-12
    )


def test_log_synflow_of_a_convolution_bypasses_batch_norm() -> None:
    convolution = nn.Conv2d(1, 1, 2, bias=False)
    convolution.weight = nn.Parameter(torch.tensor([[[[1.0, -2.0], [0.0, 3.0]]]]))
    norm = nn.BatchNorm2d(1)
    nn.init.constant_(norm.weight, 9.0)
    network = nn.Sequential(convolution, norm, nn.Flatten())
    # On 3 x 3 ones, each of the four weights adds to four outputs.
    assert log_synflow.score(network, noise_batch(1, 3, seed=0, in_channels=1)) == pytest.approx(
        6 * math.log(5), rel=1e-12
    )


@pytest.mark.parametrize("build", NETWORKS)
def test_log_synflow_is_that_of_a_network_rebuilt_in_float64(build: Build) -> None:
    network = build()
    rebuilt = copy.deepcopy(network).double().eval()
    for module in list(rebuilt.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    for parameter in rebuilt.parameters():
        parameter.data = parameter.data.abs()
    output = rebuilt(torch.ones(1, 3, 32, 32, dtype=torch.float64))
    torch.autograd.backward(getattr(output, "logits", output).sum())
    expected = 0.0
    for name, parameter in rebuilt.named_parameters():
        counted = "in_proj_weight" in name or (name.endswith("weight") and parameter.ndim > 1)
        gradient = parameter.grad
        if counted and gradient is not None:
            expected += float((parameter * (gradient.abs() + 1).log()).detach().abs().sum())
    assert log_synflow.score(network, noise_batch(2, 32, seed=0)) == pytest.approx(
        expected, rel=1e-7
    )


def test_log_synflow_keeps_the_norm_of_tokens() -> None:
    network = nn.Sequential(
        nn.Flatten(), nn.LayerNorm(2, eps=0.0), linear([[1.0, 2.0], [3.0, 4.0]])
    )
    norm = nn.LayerNorm(2, eps=0.0)
    norm.weight = nn.Parameter(torch.tensor([-2.0, -2.0]))
    spread = nn.Sequential(
        nn.Flatten(), linear([[1.0, 0.0], [0.0, 3.0]]), norm, linear([[5.0, -7.0]])
    )
    batch = noise_batch(1, 1, seed=0, in_channels=2)
    assert math.isnan(
        log_synflow.score(network, batch)
    )  # equal values have no spread, and eps is 0
    # LayerNorm of two values is (-1, 1) whatever they are: times 2 it reaches the last layer and
    # nothing flows back through it.
    assert log_synflow.score(spread, batch) == pytest.approx((5 + 7) * math.log(3), rel=1e-12)


def test_log_synflow_of_deep_networks_is_finite() -> None:
    torch.manual_seed(0)
    chain = nn.Sequential(
        nn.Conv2d(3, 32, 1),
        *[Residual(32) for _ in range(120)],
        nn.Flatten(),
        nn.Linear(32 * 16, 10),
    )
    assert math.isfinite(log_synflow.score(chain, noise_batch(1, 4, seed=0)))
    assert math.isfinite(log_synflow.score(TokenNet(depth=60), noise_batch(1, 16, seed=0)))


# ---- SNIP


def test_snip_of_softmax_regression() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(12, 5)
    batch = noise_batch(7, 2, seed=3, classes=5)
    inputs = batch.images.flatten(1).double().numpy()
    weights, biases = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
    exponentials = np.exp(inputs @ weights.T + biases)
    errors = (
        exponentials / exponentials.sum(axis=1, keepdims=True) - np.eye(5)[batch.labels.numpy()]
    )
    expected = float(np.abs(weights * (errors.T @ inputs) / 7).sum())
    assert snip.score(nn.Sequential(nn.Flatten(), layer), batch) == pytest.approx(
        expected, rel=1e-5
    )
    assert snip.score(
        nn.Sequential(nn.Flatten(), layer).double(), Batch(batch.images.double(), batch.labels)
    ) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("build", NETWORKS)
def test_snip_is_that_of_a_training_step_without_dropout(build: Build) -> None:
    batch = digits_batch(8, 32, seed=0)
    network = build()
    stepped = copy.deepcopy(network).train()
    for module in stepped.modules():
        if isinstance(module, (nn.Dropout, nn.MultiheadAttention, nn.TransformerEncoderLayer)):
            module.eval()
    output = stepped(batch.images)
    torch.autograd.backward(
        functional.cross_entropy(getattr(output, "logits", output), batch.labels)
    )
    expected = sum(
        float((parameter * parameter.grad).detach().abs().sum())
        for name, parameter in stepped.named_parameters()
        if parameter.grad is not None and parameter.ndim > 1
    )
    assert snip.score(network, batch) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("labels", [[0, 5], [-1, 0]])
def test_snip_refuses_labels_beyond_the_outputs(labels: list[int]) -> None:
    batch = Batch(torch.zeros(2, 1, 2, 2), torch.tensor(labels))
    with pytest.raises(
        MetricError,
        match=(
            f"labels from {labels[0]} to {labels[1]} for a network with 5 outputs: 0 to 4 are"
            " allowed"
        ),
    ):
        snip.score(nn.Sequential(nn.Flatten(), nn.Linear(4, 5)), batch)


# ---- channel entropy


def one_block(block: nn.Module) -> nn.Sequential:
    """Return a network whose only primary block starts with an identity convolution."""
    convolution = nn.Conv2d(3, 3, 1, bias=False)
    convolution.weight = nn.Parameter(torch.eye(3)[:, :, None, None])

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.then = convolution, block

        def forward(self, images: Tensor) -> Tensor:
            output: Tensor = self.then(self.first(images))
            return output

    return nn.Sequential(Block(), nn.Flatten())


def test_channel_entropy_of_isotropic_features_is_log_channels() -> None:
    # The rows are plus and minus the unit vectors: their covariance is a multiple of the identity.
    images = torch.cat([torch.eye(3), -torch.eye(3)]).reshape(6, 3, 1, 1)
    batch = Batch(images, torch.zeros(6, dtype=torch.long))
    assert channel_entropy.score(one_block(nn.Identity()), batch) == pytest.approx(
        math.log(3), abs=1e-12
    )


def test_channel_entropy_of_features_on_a_line_is_zero() -> None:
    images = torch.tensor([1.0, -2.0, 0.5, 7.0]).reshape(4, 1, 1, 1) * torch.tensor(
        [1.0, 2.0, -3.0]
    ).reshape(1, 3, 1, 1)
    batch = Batch(images, torch.zeros(4, dtype=torch.long))
    assert channel_entropy.score(one_block(nn.Identity()), batch) == pytest.approx(0.0, abs=1e-9)


def test_channel_entropy_of_equal_rows_is_zero() -> None:
    assert spectral_entropy(torch.ones(4, 2)) == 0.0
    assert (
        channel_entropy.score(one_block(nn.Threshold(100.0, 0.1)), noise_batch(4, 2, seed=0)) == 0.0
    )


def test_channel_entropy_of_two_spreads() -> None:
    # Variances 1 : 3 in two channels.
    rows = (
        torch.tensor(
            [[1.0, 0.0], [-1.0, 0.0], [0.0, math.sqrt(3.0)], [0.0, -math.sqrt(3.0)]],
            dtype=torch.float64,
        )
        + 50.0
    )
    assert spectral_entropy(rows) == pytest.approx(
        0.25 * math.log(4) + 0.75 * math.log(4 / 3), abs=1e-12
    )


@pytest.mark.parametrize("shape", [(40, 6), (6, 40), (9, 9)])
def test_spectral_entropy_is_that_of_the_covariance(shape: tuple[int, int]) -> None:
    rows = np.random.default_rng(1).normal(2.0, 1.0, size=shape)
    variances = np.linalg.eigvalsh(np.cov(rows, rowvar=False))
    shares = variances[variances > 1e-9] / variances.sum()
    entropy = spectral_entropy(torch.from_numpy(rows))
    assert entropy == pytest.approx(-(shares * np.log(shares)).sum(), abs=1e-10)
    assert entropy < math.log(min(shape[0] - 1, shape[1]))


def test_tokens_and_maps_give_the_same_rows() -> None:
    maps = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(0))
    tokens = maps.flatten(2).transpose(1, 2)
    rows, same = feature_rows(maps), feature_rows((tokens, None))
    assert rows is not None
    assert same is not None
    assert rows.tolist() == same.tolist()
    assert rows[7].tolist() == maps[0, :, 1, 3].tolist()
    assert feature_rows(torch.zeros(2, 5)) is None
    assert feature_rows("features") is None


@pytest.mark.parametrize("build", NETWORKS)
def test_channel_entropy_adds_up_the_blocks(build: Build) -> None:
    batch = noise_batch(8, 32, seed=0)
    seen: list[npt.NDArray[np.float32]] = []
    network = build()
    for block in primary_blocks(network)[:-1] if build is small_cnn else primary_blocks(network):
        block.register_forward_hook(
            lambda _block, _inputs, output: seen.append(output.detach().numpy().copy())
        )
    with preserve_state(network):
        forward(network, batch.images)
    expected = 0.0
    for features in seen:
        rows = np.moveaxis(features, 1, -1) if features.ndim == 4 else features
        variances = np.linalg.eigvalsh(
            np.cov(rows.reshape(-1, rows.shape[-1]).astype(np.float64), rowvar=False)
        )
        shares = variances[variances > 1e-12 * variances.max()] / variances.sum()
        expected -= float((shares * np.log(shares)).sum())
    assert len(seen) == {small_cnn: 2, token_net: 2, mobilevit: 5}[build]
    assert channel_entropy.score(build(), batch) == pytest.approx(expected, rel=1e-6)


def test_channel_entropy_of_features_that_are_overwritten_later() -> None:
    batch = noise_batch(8, 4, seed=0)
    overwriting = nn.Sequential(
        one_block(nn.Identity())[0], nn.Threshold(0.5, 0.0, inplace=True), nn.Flatten()
    )
    assert channel_entropy.score(overwriting, batch) == channel_entropy.score(
        one_block(nn.Identity()), batch
    )


def test_replaced_tensors_are_put_back() -> None:
    network = small_cnn().eval()
    own = list(network.parameters())
    images = noise_batch(2, 32, seed=0).images
    zeros = {name: torch.zeros_like(parameter) for name, parameter in network.named_parameters()}
    assert forward(network, images, zeros).abs().max() == 0.0
    assert all(now is before for now, before in zip(network.parameters(), own, strict=True))


def test_channel_entropy_without_features_is_refused() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.Linear(4, 2))
    with pytest.raises(
        MetricError,
        match=(
            r"none of the 2 primary blocks of Sequential gave features: tokens \(B, N, C\) or maps"
        ),
    ):
        channel_entropy.score(network, noise_batch(4, 2, seed=0))
