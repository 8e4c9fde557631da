"""GradNorm, ZiCo, the Jacobian covariance and trainability, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mvt_nas.proxies import Batch
from mvt_nas.proxies.batches import noise_batch
from mvt_nas.proxies.grad_norm import grad_norm
from mvt_nas.proxies.jacob_cov import correlation_spectrum, image_gradients, jacob_cov
from mvt_nas.proxies.suite import score_one
from mvt_nas.proxies.trainability import gain, random_signs, trainability
from mvt_nas.proxies.zico import inverse_variation, zico
from tests.support.external_networks import mobilevit, small_cnn, token_net

Floats = npt.NDArray[np.float64]


def regression() -> tuple[nn.Sequential, nn.Linear]:
    torch.manual_seed(0)
    layer = nn.Linear(12, 5)
    return nn.Sequential(nn.Flatten(), layer), layer


def regression_gradient(layer: nn.Linear, batch: Batch, rows: slice) -> Floats:
    """Return dL/dw of softmax regression in closed form: the mean of (p - y) xᵀ."""
    inputs = batch.images[rows].flatten(1).double().numpy()
    exponentials = np.exp(
        inputs @ layer.weight.detach().double().numpy().T + layer.bias.detach().double().numpy()
    )
    errors = (
        exponentials / exponentials.sum(axis=1, keepdims=True)
        - np.eye(5)[batch.labels[rows].numpy()]
    )
    gradient: Floats = errors.T @ inputs / len(inputs)
    return gradient


# ---- GradNorm


def test_grad_norm_of_softmax_regression() -> None:
    network, layer = regression()
    batch = noise_batch(7, 2, seed=3, classes=5)
    expected = np.linalg.norm(regression_gradient(layer, batch, slice(0, 7)))
    assert grad_norm.score(network, batch) == pytest.approx(expected, rel=1e-5)


def test_grad_norm_adds_lengths_and_not_squares() -> None:
    network, batch = token_net().eval(), noise_batch(4, 32, seed=0)
    torch.autograd.backward(functional.cross_entropy(network(batch.images), batch.labels))
    gradients = [
        parameter.grad
        for parameter in network.parameters()
        if parameter.ndim > 1 and parameter.grad is not None
    ]
    assert len(gradients) == 10
    assert grad_norm.score(token_net(), batch) == pytest.approx(
        sum(float(gradient.norm()) for gradient in gradients), rel=1e-5
    )


# ---- ZiCo


def test_zico_of_softmax_regression() -> None:
    network, layer = regression()
    batch = noise_batch(9, 2, seed=3, classes=5)
    first, second = (regression_gradient(layer, batch, rows) for rows in (slice(0, 4), slice(4, 9)))
    halves = np.stack([first, second])
    expected = math.log((np.abs(halves).mean(axis=0) / halves.std(axis=0)).sum())
    assert zico.score(network, batch) == pytest.approx(expected, rel=1e-4)
    assert zico.score(
        network.double(), Batch(batch.images.double(), batch.labels)
    ) == pytest.approx(expected, rel=1e-9)


def test_zico_gives_each_half_its_own_statistics() -> None:
    batch = noise_batch(8, 32, seed=0)
    gradients = []
    for rows in (slice(0, 4), slice(4, 8)):
        network = small_cnn()
        network[4].eval()  # dropout
        torch.autograd.backward(
            functional.cross_entropy(network(batch.images[rows]), batch.labels[rows])
        )
        gradients.append(
            [
                p.grad.double().numpy()
                for p in network.parameters()
                if p.ndim > 1 and p.grad is not None
            ]
        )
    expected = 0.0
    for layer in zip(*gradients, strict=True):
        halves = np.stack(layer)
        expected += math.log((np.abs(halves).mean(axis=0) / halves.std(axis=0)).sum())
    assert zico.score(small_cnn(), batch) == pytest.approx(expected, rel=1e-3)


def test_equal_gradients_add_nothing_to_zico() -> None:
    # |3| + |-1| over the difference 4; equal ones, and zeros, are left out; 1 and 2 have a ratio of
    # 3.
    assert (
        float(
            inverse_variation(
                torch.tensor([3.0, 5.0, 0.0, 1.0]), torch.tensor([-1.0, 5.0, 0.0, 2.0])
            )
        )
        == 4.0
    )
    score = score_one(
        "zico", regression()[0], Batch(torch.ones(4, 3, 2, 2), torch.zeros(4, dtype=torch.long))
    )
    assert math.isnan(score.value)
    assert score.status == "not finite (nan); 0 of 1 layers with gradients that vary seen"


# ---- Jacobian covariance


def test_jacob_cov_of_a_linear_network() -> None:
    # All images have the same gradient: the correlation is all ones, with eigenvalues B and 0.
    value = jacob_cov.score(
        nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), noise_batch(6, 2, seed=0)
    )
    k = 1e-5
    expected = -(math.log(6 + k) + 1 / (6 + k) + 5 * (math.log(k) + 1 / k)) / 6
    assert value == pytest.approx(expected, rel=1e-4)


def test_jacob_cov_of_one_hidden_layer() -> None:
    torch.manual_seed(0)
    first, last = nn.Linear(12, 40), nn.Linear(40, 3)
    batch = noise_batch(6, 2, seed=1)
    inputs, weights = (
        batch.images.flatten(1).double().numpy(),
        first.weight.detach().double().numpy(),
    )
    active = inputs @ weights.T + first.bias.detach().double().numpy() > 0
    jacobians = (active * last.weight.detach().double().numpy().sum(axis=0)) @ weights
    shifted = np.linalg.eigvalsh(np.corrcoef(jacobians)) + 1e-5
    expected = -float((np.log(shifted) + 1 / shifted).mean())
    assert jacob_cov.score(
        nn.Sequential(nn.Flatten(), first, nn.ReLU(), last), batch
    ) == pytest.approx(expected, rel=1e-5)


def test_images_do_not_depend_on_each_other_through_batch_norm() -> None:
    convolution = nn.Conv2d(3, 2, 1, bias=False)
    network = nn.Sequential(convolution, nn.BatchNorm2d(2), nn.Flatten())
    batch = noise_batch(8, 4, seed=0)
    features = convolution(batch.images).detach()
    scales = 1.0 / (features.var(dim=(0, 2, 3), unbiased=False) + 1e-5).sqrt()
    expected = (convolution.weight[:, :, 0, 0].detach() * scales[:, None]).sum(dim=0)
    gradients = image_gradients(network, batch.images).view(8, 3, 16)
    assert gradients[5, :, 7].tolist() == pytest.approx(expected.tolist(), rel=1e-5)


def test_jacob_cov_without_gradients_is_reported() -> None:
    assert correlation_spectrum(torch.ones(3, 4)) is None
    dead = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Threshold(1e9, 0.0))
    score = score_one("jacob_cov", dead, noise_batch(4, 2, seed=0))
    assert score.status == "not finite (nan); an image has no gradient or an infinite one"


# ---- trainability


class Blocks(nn.Module):
    """A network whose primary blocks are given."""

    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, images: Tensor) -> Tensor:
        for block in self.blocks:
            images = block(images)
        return images.mean(dim=(2, 3))


def scaling(factor: float) -> nn.Conv2d:
    convolution = nn.Conv2d(3, 3, 1, bias=False)
    convolution.weight = nn.Parameter(factor * torch.eye(3)[:, :, None, None])
    return convolution


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_trainability_of_blocks_that_scale(factor: float) -> None:
    value = trainability.score(Blocks(scaling(factor), scaling(1.0)), noise_batch(16, 32, seed=0))
    assert value == pytest.approx((2.0 - factor - 1.0 / factor) / 2, abs=0.02)


def test_gain_of_an_identity_is_one_however_few_rows() -> None:
    """Without the edge of Marchenko and Pastur it would be 1.9 to 4."""
    for channels, rows in ((64, 64), (64, 256), (128, 900)):
        features = torch.zeros(1, rows, channels, requires_grad=True)
        found = gain(features, features * 1.0, random_signs(features.numel()))
        assert found == pytest.approx(1.0, abs=0.1)


def test_gain_is_the_singular_value_of_the_products() -> None:
    torch.manual_seed(0)
    tokens, matrix = torch.randn(2, 7, 5, requires_grad=True), torch.randn(4, 5)
    signs = random_signs(2 * 7 * 4)
    out = signs.view(14, 4).numpy()
    expected = (
        np.linalg.svd((out @ matrix.numpy()).T @ out / 14, compute_uv=False)[0]
        / (1 + math.sqrt(4 / 14)) ** 2
    )
    assert gain(tokens, tokens @ matrix.T, signs) == pytest.approx(expected, rel=1e-5)


def test_gain_of_a_strided_convolution_takes_in_all_its_pixels() -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 4, 2, stride=2, bias=False)
    maps = torch.randn(2, 3, 6, 8, requires_grad=True)
    signs = random_signs(2 * 4 * 12)
    out = signs.view(2, 4, 12).transpose(1, 2).reshape(24, 4).numpy()
    back = out @ convolution.weight.detach().flatten(1).numpy()
    expected = np.linalg.svd(back.T @ out / 24, compute_uv=False)[0] / (1 + math.sqrt(4 / 24)) ** 2
    assert gain(maps, convolution(maps), signs) == pytest.approx(expected, rel=1e-5)


def test_gain_of_maps_that_grow() -> None:
    maps = torch.randn(2, 3, 6, 6, requires_grad=True)
    grown = functional.interpolate(maps, size=(8, 8), mode="bilinear")
    found = gain(maps, grown, random_signs(grown.numel()))
    assert found is not None
    assert 0.1 < found < 2.0


def test_gain_of_a_block_that_passes_nothing_on_is_zero() -> None:
    maps = torch.randn(2, 3, 4, 4, requires_grad=True)
    assert (
        gain(
            maps, torch.zeros_like(maps) + nn.Parameter(torch.zeros(1)), random_signs(maps.numel())
        )
        == 0.0
    )
    assert gain(maps, maps.flatten(2)[:, :, :5] * 1.0, random_signs(maps.numel())) is None


def test_trainability_is_the_same_where_features_are_overwritten() -> None:
    class InPlace(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = scaling(0.5)

        def forward(self, images: Tensor) -> Tensor:
            output: Tensor = self.convolution(images.mul_(4.0))
            return output

    class After(Blocks):
        def forward(self, images: Tensor) -> Tensor:
            features: Tensor = self.blocks[0](images)
            features.mul_(3.0)
            return features.mean(dim=(2, 3))

    batch = noise_batch(16, 16, seed=0)
    expected = trainability.score(Blocks(scaling(2.0)), batch)
    assert trainability.score(Blocks(InPlace()), batch) == pytest.approx(expected, rel=1e-5)
    assert trainability.score(After(scaling(2.0)), batch) == expected


def test_trainability_tells_of_blocks_that_it_could_not_measure() -> None:
    class Flattening(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Conv2d(3, 4, 1)

        def forward(self, images: Tensor) -> Tensor:
            tokens: Tensor = self.body(images).flatten(2)
            return tokens

    class Odd(Blocks):
        def forward(self, images: Tensor) -> Tensor:
            features: Tensor = self.blocks[0](images)
            tokens: Tensor = self.blocks[1](features)
            return tokens.mean(dim=2)

    score = score_one("trainability", Odd(scaling(1.0), Flattening()), noise_batch(16, 16, seed=0))
    assert score.finite
    assert score.status == "1 of 2 blocks from features to features seen"
    assert score_one("trainability", mobilevit(), noise_batch(8, 32, seed=0)).status == "ok"
