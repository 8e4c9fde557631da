"""DSS and the Zen-score, with attention matrices and convolutional parts."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import MobileViTV2Config, MobileViTV2ForImageClassification

from mvt_nas import zoo
from mvt_nas.blocks.mobilevit.module import MobileViTBlock
from mvt_nas.blocks.mobilevit.transformer import MultiHeadAttention, SeparableAttention
from mvt_nas.models.network import StageModule, build_model
from mvt_nas.proxies.attention_roles import attention_coverage, attention_matrices
from mvt_nas.proxies.batches import noise_batch
from mvt_nas.proxies.dss import dss, few_rows, nuclear_norm
from mvt_nas.proxies.suite import score_one
from mvt_nas.proxies.zen import convolutional_parts, measure, zen
from tests.support.external_networks import mobilevit, small_cnn, token_net


def matrices(network: nn.Module) -> list[tuple[str, int, int]]:
    return [(one.name, one.first, one.end) for one in attention_matrices(network)]


# ---- attention


def test_matrices_of_our_attentions() -> None:
    assert matrices(MultiHeadAttention(6, 2)) == [
        ("qkv.weight", 0, 6),
        ("qkv.weight", 6, 12),
        ("qkv.weight", 12, 18),
        ("project.weight", 0, 6),
    ]
    assert matrices(SeparableAttention(6)) == [
        ("qkv.weight", 0, 1),
        ("qkv.weight", 1, 7),
        ("qkv.weight", 7, 13),
        ("project.weight", 0, 6),
    ]


@pytest.mark.parametrize(
    ("name", "layers"),
    [("mobilevit_s", 2 + 4 + 3), ("mobilevitv2_100", 2 + 4 + 3), ("mobilevitv3_xs", 2 + 4 + 3)],
)
def test_published_models_have_four_matrices_per_transformer_layer(name: str, layers: int) -> None:
    assert (
        len(attention_matrices(build_model(zoo(name), num_classes=10, device="meta"))) == 4 * layers
    )


def test_matrices_of_external_networks() -> None:
    assert matrices(nn.MultiheadAttention(4, 2)) == [
        ("in_proj_weight", 0, 4),
        ("in_proj_weight", 4, 8),
        ("in_proj_weight", 8, 12),
        ("out_proj.weight", 0, 4),
    ]
    apart = nn.MultiheadAttention(4, 2, kdim=3, vdim=5)
    assert [name for name, _, _ in matrices(apart)] == [
        "q_proj_weight",
        "k_proj_weight",
        "v_proj_weight",
        "out_proj.weight",
    ]
    assert len(attention_matrices(token_net())) == 2 * 4
    # Transformers' MobileViT has 2, 4 and 3 layers.
    found = attention_matrices(mobilevit())
    assert len(found) == 4 * 9
    assert sum(".attention.query." in one.name for one in found) == 9
    assert sum(".output.dense." in one.name and ".attention." in one.name for one in found) == 9


def test_a_square_matrix_is_not_one_of_attention() -> None:
    assert attention_matrices(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 12))) == []

    class Fused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv, self.proj, self.other = nn.Linear(4, 12), nn.Linear(4, 4), nn.Linear(4, 4)

    assert matrices(Fused()) == [
        ("qkv.weight", 0, 4),
        ("qkv.weight", 4, 8),
        ("qkv.weight", 8, 12),
        ("proj.weight", 0, 4),
    ]


def test_matrices_inside_wrappers() -> None:
    config = MobileViTV2Config(image_size=64, width_multiplier=0.25)
    found = attention_matrices(MobileViTV2ForImageClassification(config))
    # Separable attention of 2, 4 and 3 layers: one query row, keys, values, output.
    assert len(found) == 4 * 9
    assert sum(one.end - one.first == 1 for one in found) == 9


def test_an_attention_whose_matrices_are_not_known_is_reported() -> None:
    class OddAttention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.asking, self.answering = nn.Linear(12, 12), nn.Linear(12, 12)

        def forward(self, images: Tensor) -> Tensor:
            features: Tensor = self.answering(self.asking(images))
            return features

    network = nn.Sequential(nn.Flatten(), OddAttention(), nn.Linear(12, 5))
    assert score_one("dss", network, noise_batch(4, 2, seed=0)).status == "0 of 1 attentions seen"
    assert attention_coverage(token_net(), attention_matrices(token_net())).seen == 2
    assert attention_coverage(mobilevit(), attention_matrices(mobilevit())).gap == ""


def test_a_module_declares_its_own_matrices() -> None:
    class Declaring(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.maps = nn.Linear(3, 8)

        def attention_matrices(self) -> list[tuple[str, int, int]]:
            return [("maps.weight", 1, 4)]

    assert matrices(nn.Sequential(Declaring())) == [("0.maps.weight", 1, 4)]


# ---- DSS


@pytest.mark.parametrize("name", ["mobilevit_xxs", "mobilevitv2_050"])
def test_dss_of_both_attentions_is_that_of_a_network_rebuilt_in_float64(name: str) -> None:
    network = build_model(zoo(name), num_classes=10, seed=0)
    rebuilt = copy.deepcopy(network).double().eval()
    for module in list(rebuilt.modules()):
        for child_name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, child_name, nn.Identity())
    for parameter in rebuilt.parameters():
        parameter.data = parameter.data.abs()
    rebuilt(torch.ones(1, 3, 64, 64, dtype=torch.float64)).sum().backward()
    diversity, saliency = 0.0, 0.0
    for path, parameter in rebuilt.named_parameters():
        assert parameter.grad is not None
        if parameter.ndim == 1:
            continue
        weight, gradient = parameter.detach().flatten(1).numpy(), parameter.grad.flatten(1).numpy()
        if ".attention." in path:
            d = weight.shape[1]
            splits = (
                [d, 2 * d]
                if len(weight) == 3 * d
                else [1, 1 + d]
                if len(weight) == 2 * d + 1
                else []
            )
            for part, slope in zip(
                np.split(weight, splits), np.split(gradient, splits), strict=True
            ):
                diversity += (
                    np.linalg.svd(part, compute_uv=False).sum()
                    * np.linalg.svd(slope, compute_uv=False).sum()
                )
        else:
            saliency += float(np.abs(weight * gradient).sum())
    assert dss.score(network, noise_batch(2, 64, seed=0)) == pytest.approx(
        math.log1p(diversity) + math.log1p(saliency), rel=1e-7
    )


def test_dss_without_attention_is_the_saliency() -> None:
    layer = nn.Linear(2, 2, bias=False)
    layer.weight = nn.Parameter(torch.tensor([[1.0, -2.0], [0.5, 0.0]]))
    network = nn.Sequential(nn.Flatten(), layer)
    assert dss.score(network, noise_batch(1, 1, seed=0, in_channels=2)) == pytest.approx(
        math.log1p(3.5), rel=1e-12
    )


@pytest.mark.parametrize("rank", [1, 10, 24, 25, 60])
def test_a_matrix_of_low_rank_keeps_its_singular_values(rank: int) -> None:
    generator = torch.Generator().manual_seed(rank)
    left, right = (
        torch.randn(60, rank, generator=generator, dtype=torch.float64) for _ in range(2)
    )
    matrix = 1e200 * left @ right.T
    assert (len(few_rows(matrix)) == 24) == (rank <= 24)
    assert nuclear_norm(few_rows(matrix)) == pytest.approx(
        np.linalg.svd(matrix.numpy(), compute_uv=False).sum(), rel=1e-9
    )


def test_a_matrix_of_almost_low_rank_stays_whole() -> None:
    generator = torch.Generator().manual_seed(0)
    left, right, noise = (
        torch.randn(60, columns, generator=generator, dtype=torch.float64) for columns in (5, 5, 60)
    )
    matrix = left @ right.T + 1e-7 * noise
    assert few_rows(matrix) is matrix


# ---- convolutional parts


def test_attention_is_no_convolutional_part() -> None:
    attention, convolution = SeparableAttention(6), nn.Conv2d(6, 6, 1)
    assert convolutional_parts(attention) == []
    plain = nn.Sequential(convolution)
    assert convolutional_parts(nn.Sequential(nn.Sequential(attention), plain)) == [plain]
    # The siblings of an attention belong to a transformer layer.
    assert convolutional_parts(nn.Sequential(convolution, attention)) == []


def test_parts_of_our_networks() -> None:
    network = build_model(zoo("mobilevitv2_050"), num_classes=10, seed=0)
    parts = convolutional_parts(network)
    stages = [stage for stage in network.stages.children() if isinstance(stage, StageModule)]
    assert [isinstance(stage.block, nn.Identity) for stage in stages] == [
        True,
        True,
        False,
        False,
        False,
    ]
    expected: list[nn.Module] = [network.stem, stages[0], stages[1]]
    for stage in stages[2:]:
        block = stage.block
        assert isinstance(block, MobileViTBlock)
        expected += [stage.convolutions, block.local_conv, block.local_project, block.project]
    assert parts == expected


def test_parts_of_external_networks() -> None:
    network = small_cnn()
    assert convolutional_parts(network) == [network[0], network[3]]
    trunk = network[:4]
    assert convolutional_parts(trunk) == [trunk]
    tokens = token_net()
    assert convolutional_parts(tokens) == [tokens.patches]
    assert len(convolutional_parts(mobilevit())) > 10


# ---- Zen-score


def chain() -> nn.Sequential:
    """Return a convolutional trunk, a single part."""
    layers: list[nn.Module] = []
    for before, after, stride in ((3, 16, 2), (16, 16, 1), (16, 24, 2)):
        layers += [
            nn.Conv2d(before, after, 3, stride, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)


class Classifier(nn.Module):
    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk, self.head = trunk, nn.Linear(24, 5)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.trunk(images).mean(dim=(2, 3)))
        return logits


def test_zen_of_a_chain_is_the_published_score() -> None:
    """As published: log of the features' mean change, plus log of the batch norms' scales."""
    batch = noise_batch(64, 32, seed=0)
    trunk, published = chain(), []
    generator = torch.Generator().manual_seed(5)
    for _ in range(8):
        scales: list[float] = []
        for layer in trunk:
            if isinstance(layer, nn.Conv2d):
                layer.weight = nn.Parameter(torch.randn(layer.weight.shape, generator=generator))
        for layer in trunk:
            if isinstance(layer, nn.BatchNorm2d):
                layer.register_forward_pre_hook(
                    lambda _norm, inputs, kept=scales: kept.append(
                        float(inputs[0].var(dim=(0, 2, 3)).mean())
                    )
                )
        with torch.no_grad():
            before = trunk(batch.images)
            after = trunk(
                batch.images + 0.01 * torch.randn(batch.images.shape, generator=generator)
            )
        change = float((after - before).abs().mean()) / (0.01 * math.sqrt(2 / math.pi))
        published.append(math.log(change) + sum(0.5 * math.log(scale) for scale in scales[:3]))
    # Each draw of the kernels gives another score; ours is one more of them.
    found = zen.score(Classifier(chain()), batch)
    assert np.std(published) < 0.4
    assert found == pytest.approx(float(np.mean(published)), abs=4 * float(np.std(published)))


def test_zen_of_linear_convolutions_is_their_gain() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.head = nn.Conv2d(3, 2000, 1, bias=False), nn.Linear(2000, 5)

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.head(self.first(images).mean(dim=(2, 3)))
            return logits

    # Of normal changes in three channels, the mean length is 2 sqrt(2 / pi) times what one normal
    # weight makes of one channel.
    assert zen.score(Scaled(), noise_batch(8, 16, seed=0)) == pytest.approx(
        math.log(2 * math.sqrt(2 / math.pi)), abs=0.02
    )


def test_parts_in_a_row_add_up_to_the_whole() -> None:
    class Torn(Classifier):
        """The same trunk, called layer by layer, so that each convolution is a part."""

        def __init__(self) -> None:
            super().__init__(nn.ModuleList(chain()))

        def forward(self, images: Tensor) -> Tensor:
            for layer in self.trunk.children():
                images = layer(images)
            logits: Tensor = self.head(images.mean(dim=(2, 3)))
            return logits

    batch = noise_batch(16, 32, seed=0)
    whole, torn = Classifier(chain()), Torn()
    assert len(convolutional_parts(torn)) == 3
    gains = measure(torn, batch.images, convolutional_parts(torn))
    both = measure(whole, batch.images, convolutional_parts(whole))
    # What the batch norms and activations add is not in the parts: the norms take out what the
    # variances put back.
    assert len(gains.logarithms) == 3
    assert len(both.variances) == 3
    assert gains.variances == []
    relu = 3 * math.log(0.5)
    assert sum(gains.logarithms) + relu == pytest.approx(zen.score(whole, batch), abs=0.6)


def test_zen_does_not_read_the_weights_of_the_parts() -> None:
    batch = noise_batch(4, 32, seed=0)
    network = small_cnn(3)
    next(network.parameters()).data.fill_(math.nan)
    assert zen.score(network, batch) == pytest.approx(zen.score(small_cnn(1), batch), abs=1e-6)


def test_zen_of_a_network_without_convolutions_is_reported() -> None:
    score = score_one(
        "zen", nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), noise_batch(4, 2, seed=0)
    )
    assert score.status == "not finite (nan); no convolutional parts"
