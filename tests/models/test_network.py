"""Networks against the authors' outputs and torch's attention and unfold; initial weights.

``data/authors_logits.json`` holds float64 logits of the authors' implementations in eval mode, of
images and weights that are formulas: the first eight logits of two images, and three statistics of
all of them.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.blocks.mobilevit.module import TokenMixer
from mvt_nas.blocks.mobilevit.transformer import MultiHeadAttention, SeparableAttention, TokenNorm
from mvt_nas.checkpoints import load_checkpoint
from mvt_nas.checkpoints.key_mapping import translations
from mvt_nas.errors import ArchitectureError
from mvt_nas.models.network import Network, build_model
from mvt_nas.space.architecture import Architecture, Stage
from mvt_nas.space.published import published_names, zoo

GOLDEN: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "authors_logits.json").read_text()
)
CONV = Stage(width=16, stride=1, expansion=1)


def block(**choices: Any) -> MobileViT:
    defaults: dict[str, Any] = {"dim": 16, "ffn_dim": 32, "transformer_depth": 1}
    heads = {"heads": 2} if choices.get("attention") != "separable" else {}
    return MobileViT(**(defaults | heads | choices))


def network_of(*stages: Stage, head_width: int | None = 24) -> Architecture:
    return Architecture(resolution_px=64, stem_width=8, head_width=head_width, stages=stages)


def separable(**choices: Any) -> MobileViT:
    return block(attention="separable", **choices)


MIXED = {
    "separable attention with layer norm": network_of(
        CONV, Stage(width=24, block=separable(norm="layer_norm"))
    ),
    "multi-head attention with group norm": network_of(
        CONV, Stage(width=24, block=block(norm="group_norm"))
    ),
    "both attentions": network_of(
        Stage(width=24, block=block()), Stage(width=24, block=separable())
    ),
    "patch 1": network_of(
        Stage(width=24, block=block(patch=1)), Stage(width=24, block=separable(patch=1))
    ),
    "patch 3": network_of(
        Stage(width=24, block=block(patch=3)), Stage(width=24, block=separable(patch=3))
    ),
    "patch 8": network_of(
        Stage(width=24, block=separable(patch=8)), Stage(width=24, block=block(patch=8)), CONV
    ),
    "input fused with separable attention": network_of(
        CONV, Stage(width=24, block=separable(fusion="input", fusion_kernel=3))
    ),
    "fusion without projection": network_of(
        CONV, Stage(width=24, block=block(fusion="local", projection="none"))
    ),
    "projection and fusion, linear": network_of(
        CONV,
        Stage(
            width=24,
            block=separable(
                fusion="local",
                projection="linear",
                fusion_activation="linear",
                concat_order="global_last",
            ),
        ),
    ),
    "multi-head attention, input resized": network_of(
        Stage(width=24, block=block(patch=5, resize="input", residual=True))
    ),
    "separable attention, local features resized": network_of(
        Stage(width=24, block=separable(patch=5, resize="local", residual=True))
    ),
    "kernel 5": network_of(
        CONV,
        Stage(
            width=24,
            block=block(local_kernel=5, local_conv="full", fusion="input", fusion_kernel=5),
        ),
    ),
    "stride 1": network_of(
        Stage(width=16, stride=1, depth=2, block=block()), Stage(width=16, stride=1, expansion=3.5)
    ),
    "convolutions only": network_of(CONV, Stage(width=32, depth=3, expansion=6), Stage(width=40)),
    "no head": network_of(CONV, Stage(width=24, block=block()), head_width=None),
}


def authors_state(model: Network) -> dict[str, Tensor]:
    """Return a state dict with the authors' names, filled by the golden formulas.

    Each tensor is a wave with the phase of its rank.
    """
    own = model.state_dict()
    shapes = {names[0]: own[name].shape for name, names in translations(model, "cvnets").items()}
    return {
        name: weights(name, shape, rank)
        for rank, (name, shape) in enumerate(sorted(shapes.items()))
    }


def weights(name: str, shape: torch.Size, rank: int) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    i = torch.arange(shape.numel(), dtype=torch.float64)
    wave = torch.cos(0.7 * i + 1.3 * rank + 0.1 * (i % 7) * (i % 11)).reshape(shape)
    if name.endswith("running_var"):
        return 1 + wave.square() / 4
    if len(shape) >= 2:
        return 1.5 * wave / math.sqrt(shape[1:].numel())
    return 0.1 * wave if name.endswith(("running_mean", "bias")) else 1 + 0.2 * wave


def images(count: int, side: int) -> Tensor:
    i = torch.arange(count * 3 * side * side, dtype=torch.float64)
    column, row = i % side, torch.div(i, side, rounding_mode="floor") % side
    return (0.5 + 0.5 * torch.sin(0.013 * i + 0.00007 * column * row)).reshape(count, 3, side, side)


@pytest.mark.parametrize("name", sorted({case.split("@")[0] for case in GOLDEN}))
def test_logits_are_those_of_the_authors_code(name: str) -> None:
    model = build_model(zoo(name), seed=0).double().eval()
    assert load_checkpoint(model, authors_state(model)) == "cvnets"
    for side in (256, 224, 192):
        with torch.no_grad():
            logits = model(images(2, side))
        golden = GOLDEN[f"{name}@{side}"]
        got = [*logits[:, :8].flatten(), logits.sum(), logits.abs().sum(), logits.std()]
        expected = [
            *golden["logits_first8"][0],
            *golden["logits_first8"][1],
            golden["sum"],
            golden["abs_sum"],
            golden["std"],
        ]
        assert [float(value) for value in got] == pytest.approx(expected, rel=1e-9, abs=0)


@pytest.mark.parametrize("case", [*published_names(), *MIXED])
def test_every_parameter_gets_a_finite_gradient(case: str) -> None:
    architecture = MIXED[case] if case in MIXED else zoo(case)
    model = build_model(architecture, num_classes=3, seed=0)
    logits = model(torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    torch.autograd.backward(functional.cross_entropy(logits, torch.tensor([0, 2])))
    assert logits.shape == (2, 3)
    bad = [
        name
        for name, weight in model.named_parameters()
        if weight.grad is None or not weight.grad.isfinite().all()
    ]
    assert bad == []


@pytest.mark.parametrize("case", MIXED)
def test_mixed_networks_use_all_their_weights(case: str) -> None:
    # In evaluation mode, since a batch norm in training hides shifts before it.
    model = build_model(MIXED[case], num_classes=3, seed=0).double().eval()
    logits = model(
        torch.rand(4, 3, 96, 96, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    )
    torch.autograd.backward(logits.square().sum())
    idle = [
        name
        for name, weight in model.named_parameters()
        if weight.grad is None or not weight.grad.abs().max() > 1e-12
    ]
    assert idle == []


def test_features_are_the_outputs_of_residuals_and_blocks() -> None:
    model = build_model(MIXED["stride 1"], seed=0)
    shapes: list[tuple[int, ...]] = []
    for module in model.feature_blocks():
        module.register_forward_hook(
            lambda _module, _inputs, output: shapes.append(tuple(output.shape))
        )
    model(torch.rand(1, 3, 32, 32))
    assert shapes == [(1, 16, 16, 16)] * 4


# What the layers compute


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_multi_head_attention_is_torchs(heads: int) -> None:
    torch.manual_seed(0)
    ours, theirs = (
        MultiHeadAttention(8, heads).double(),
        nn.MultiheadAttention(8, heads, batch_first=True, dtype=torch.float64),
    )
    for own, name in (("qkv.", "in_proj_"), ("project.", "out_proj.")):
        ours.get_parameter(f"{own}weight").data = theirs.get_parameter(f"{name}weight")
        nn.init.normal_(theirs.get_parameter(f"{name}bias"))
        ours.get_parameter(f"{own}bias").data = theirs.get_parameter(f"{name}bias")
    x = torch.randn(3, 7, 8, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x, x, x, need_weights=False)[0])


def test_separable_attention_is_the_papers_equation() -> None:
    torch.manual_seed(0)
    layer = SeparableAttention(4).double()
    x = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    weight, bias = layer.qkv.weight[:, :, 0, 0], layer.qkv.bias
    assert bias is not None
    assert layer.project.bias is not None
    for sample in range(2):
        for position in range(3):
            tokens = x[sample, :, position].T  # (N, d)
            scores = torch.softmax(tokens @ weight[0] + bias[0], dim=0)
            context = (scores[:, None] * (tokens @ weight[1:5].T + bias[1:5])).sum(dim=0)
            y = torch.relu(tokens @ weight[5:].T + bias[5:]) * context
            expected = y @ layer.project.weight[:, :, 0, 0].T + layer.project.bias
            torch.testing.assert_close(layer(x)[sample, :, position].T, expected)


@pytest.mark.parametrize("attention", ["multi_head", "separable"])
@pytest.mark.parametrize("patch", [1, 2, 3])
def test_tokens_are_those_of_unfold(attention: str, patch: int) -> None:
    """Torch's unfold lists the pixels of each window channel by channel; fold is its inverse."""
    chosen = block(patch=patch) if attention == "multi_head" else separable(patch=patch)
    tokens, x = TokenMixer(chosen, 0.0), torch.randn(2, 16, 6, 12)
    windows = functional.unfold(x, patch, stride=patch).reshape(2, 16, patch**2, -1)  # (B, d, P, N)
    expected = windows.permute(0, 2, 3, 1).flatten(0, 1) if attention == "multi_head" else windows
    torch.testing.assert_close(tokens._unfold(x), expected, rtol=0, atol=0)
    torch.testing.assert_close(
        tokens._fold(tokens._unfold(x), 6 // patch, 12 // patch), x, rtol=0, atol=0
    )


@pytest.mark.parametrize("by_position", [True, False])
def test_token_norms_do_not_depend_on_the_layout(by_position: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 8, 4, 9, dtype=torch.float64)  # (B, d, P, N)
    centred = {
        "layer_norm": x - x.mean(1, keepdim=True),
        "group_norm": x - x.mean((1, 2, 3), keepdim=True),
    }
    for kind, dims in (("layer_norm", (1,)), ("group_norm", (1, 2, 3))):
        norm = TokenNorm(kind, 8, 4 if by_position else None).double()
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
        scaled = centred[kind] / (centred[kind].square().mean(dims, keepdim=True) + 1e-5).sqrt()
        expected = scaled * norm.weight[:, None, None] + norm.bias[:, None, None]
        got = (
            norm(x.permute(0, 2, 3, 1).flatten(0, 1)).view(2, 4, 9, 8).permute(0, 3, 1, 2)
            if by_position
            else norm(x)
        )
        torch.testing.assert_close(got, expected)


# Initialisation


def test_initial_weights_are_the_papers() -> None:
    model = build_model(zoo("mobilevit_s"), seed=0)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * math.prod(module.kernel_size)
            assert_normal(module.weight, math.sqrt(2 / fan_out))
            assert module.bias is None
        elif isinstance(module, nn.Linear):
            assert_normal(module.weight, 0.02)
            assert not module.bias.any()
        elif isinstance(module, TokenNorm | nn.BatchNorm2d):
            assert (module.weight == 1).all()
            assert not module.bias.any()
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            assert not module.running_mean.any()
            assert (module.running_var == 1).all()


def assert_normal(weight: Tensor, deviation: float) -> None:
    """Check that mean and standard deviation are within five standard errors."""
    n = weight.numel()
    assert abs(float(weight.detach().mean())) < 5 * deviation / math.sqrt(n)
    assert abs(float(weight.detach().std()) / deviation - 1) < 5 / math.sqrt(2 * n)


def test_biases_of_separable_attention_begin_at_zero() -> None:
    biases = [
        module.bias
        for module in build_model(zoo("mobilevitv2_050"), seed=0).modules()
        if isinstance(module, nn.Conv2d)
    ]
    given = [bias for bias in biases if bias is not None]
    assert len(given) == 4 * 9
    assert not any(bias.any() for bias in given)


def test_a_seed_fixes_the_weights_and_leaves_the_global_random_state() -> None:
    before = torch.get_rng_state()
    first, again, other = (
        build_model(MIXED["no head"], seed=seed).state_dict() for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    same = {name for name in first if torch.equal(first[name], other[name])}
    assert same == {name for name in first if first[name].ndim < 2}


def test_without_a_seed_the_global_random_state_decides() -> None:
    models = []
    for seed in (7, 7, 8):
        torch.manual_seed(seed)
        models.append(build_model(MIXED["no head"]).classifier.weight)
    assert torch.equal(models[0], models[1])
    assert not torch.equal(models[0], models[2])


def test_dropout_acts_in_training_only() -> None:
    model = build_model(
        MIXED["both attentions"], num_classes=3, seed=0, dropout=0.5, head_dropout=0.5
    )
    plain = build_model(MIXED["both attentions"], num_classes=3, seed=0)
    x = torch.rand(2, 3, 64, 64)
    assert torch.equal(model.eval()(x), plain.eval()(x))
    assert not torch.equal(model.train()(x), plain.train()(x))


def test_meta_device_gives_shapes_only() -> None:
    model = build_model(zoo("mobilevitv2_200"), device="meta")
    assert all(parameter.is_meta for parameter in model.parameters())
    assert model(torch.empty(2, 3, 256, 256, device="meta")).shape == (2, 1000)


@pytest.mark.parametrize("name", ["num_classes", "in_channels"])
def test_counts_below_one_are_refused(name: str) -> None:
    counts: dict[str, Any] = {name: 0}
    with pytest.raises(ArchitectureError, match=f"{name} = 0 is not allowed; an integer from 1"):
        build_model(MIXED["no head"], **counts)


def test_other_images_and_classes() -> None:
    model = build_model(MIXED["no head"], num_classes=7, in_channels=1, seed=0)
    assert model(torch.rand(2, 1, 40, 56)).shape == (2, 7)
