"""Outputs of detection and segmentation networks: others', and anchors by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import (
    MobileViTConfig,
    MobileViTForSemanticSegmentation,
    MobileViTV2Config,
    MobileViTV2ForSemanticSegmentation,
)

from mvt_nas.blocks.mobilevit.module import MobileViTBlock
from mvt_nas.checkpoints.load import load_checkpoint
from mvt_nas.models.lowering import map_sides
from mvt_nas.models.network import TaskNetwork, build_model
from mvt_nas.space.published import zoo
from mvt_nas.tasks.detection.anchors import anchors, decode, encode
from mvt_nas.tasks.detection.feature_maps import count_boxes, sides
from mvt_nas.tasks.strides import steps
from tests.support.architectures import task_of


def test_strides_are_taken_away_from_the_back() -> None:
    published = [1, 2, 2, 2, 2]
    assert [step.reduction for step in steps(published, None)] == [2, 4, 8, 16, 32]
    assert [tuple(step) for step in steps(published, 16)][-2:] == [(2, 1, 1, 16), (1, 1, 2, 16)]
    assert [tuple(step) for step in steps(published, 8)][-2:] == [(1, 1, 2, 8), (1, 2, 4, 8)]


def _hf(name: str, output_stride: int) -> nn.Module:
    """Return Hugging Face's segmenter of a size, with random weights."""
    torch.manual_seed(0)
    if name == "mobilevit_xxs":
        sizes = {
            "hidden_sizes": [64, 80, 96],
            "neck_hidden_sizes": [16, 16, 24, 48, 64, 80, 320],
            "expand_ratio": 2.0,
        }
        model: Any = MobileViTForSemanticSegmentation(
            MobileViTConfig(**sizes, num_labels=21, output_stride=output_stride)
        )
    else:
        model = MobileViTV2ForSemanticSegmentation(
            MobileViTV2Config(width_multiplier=0.5, num_labels=21, output_stride=output_stride)
        )
    for parameter in model.parameters():
        (
            nn.init.normal_(parameter, std=0.1)
            if parameter.ndim > 1
            else nn.init.uniform_(parameter, 0.5, 1.0)
        )
    return model.eval()


def _dilated_as_in_ml_cvnets(model: nn.Module, network: TaskNetwork) -> None:
    """Dilate Hugging Face's local convolutions, as the authors' release of MobileViTv2 does."""
    theirs = [
        module for name, module in model.named_modules() if name.endswith("conv_kxk.convolution")
    ]
    ours = [
        module.local_conv[0] for module in network.modules() if isinstance(module, MobileViTBlock)
    ]
    for module, own in zip(theirs, ours, strict=True):
        module.dilation, module.padding = own.dilation, own.padding


@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize("name", ["mobilevit_xxs", "mobilevitv2_050"])
def test_segmenters_see_what_those_of_transformers_see(name: str, output_stride: int) -> None:
    model, task = (
        _hf(name, output_stride),
        task_of(f"segmentation,resolution_px=128,output_stride={output_stride}"),
    )
    network = build_model(zoo(name), task=task, seed=1).eval()
    backbone = {
        key: value
        for key, value in model.state_dict().items()
        if not key.startswith("segmentation_head")
    }
    _copy_backbone(network, name, backbone)
    _copy_head(network.head, model.get_submodule("segmentation_head"))
    _dilated_as_in_ml_cvnets(model, network)
    images = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = nn.functional.interpolate(
            model(images).logits, size=(128, 128), mode="bilinear", align_corners=True
        )
        found = network(images)
    assert found.shape == expected.shape == (2, 21, 128, 128)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def _copy_backbone(network: TaskNetwork, name: str, state: dict[str, torch.Tensor]) -> None:
    """Load a backbone's weights by the names of the classifier of the same architecture."""
    classifier = build_model(zoo(name), num_classes=21, seed=3)
    own = {
        key: value
        for key, value in classifier.state_dict().items()
        if key.startswith(("head_conv", "classifier"))
    }
    prefix = next(iter(state)).split(".")[0]
    if any(key.startswith("head_conv") for key in own):
        state |= {
            f"{prefix}.conv_1x1_exp.{theirs}.{kind}": own[f"head_conv.{ours}.{kind}"]
            for ours, theirs in ((0, "convolution"), (1, "normalization"))
            for kind in ("weight", "bias", "running_mean", "running_var")
            if f"head_conv.{ours}.{kind}" in own
        }
    state |= {
        "classifier.weight": own["classifier.weight"],
        "classifier.bias": own["classifier.bias"],
    }
    load_checkpoint(classifier, state)
    network.load_state_dict(
        classifier.state_dict() | network.head.state_dict(prefix="head."), strict=False
    )


def _copy_head(ours: nn.Module, theirs: nn.Module) -> None:
    """Copy weights module by module: both heads have them in the order of the paper."""
    pairs = zip(_weighted(ours), _weighted(theirs), strict=True)
    for own, other in pairs:
        own.load_state_dict(other.state_dict())


def _weighted(module: nn.Module) -> list[nn.Module]:
    return [part for part in module.modules() if isinstance(part, nn.Conv2d | nn.BatchNorm2d)]


def test_a_detector_finds_something_for_every_anchor() -> None:
    task = task_of("detection,num_classes=5")
    network = build_model(zoo("mobilevit_xxs"), task=task, seed=0).eval()
    with torch.no_grad():
        logits, offsets = network(torch.rand(2, 3, 320, 320))
    maps = sides(*map_sides(zoo("mobilevit_xxs"), task))
    assert maps == [20, 10, 5, 3, 2, 1]
    assert count_boxes(maps) == 6 * (400 + 100 + 25 + 9 + 4) + 4 == len(network.anchors(320))
    assert logits.shape == (2, 3232, 6)
    assert offsets.shape == (2, 3232, 4)


def test_anchors_by_hand() -> None:
    found = anchors([(2, 4), (1, 2), (1, 1), (1, 1), (1, 1), (1, 1)])
    assert len(found) == 6 * (8 + 2 + 1 + 1 + 1) + 4
    step = 0.95 / 6
    first = [0.125, 0.25, 0.1, 0.1]
    torch.testing.assert_close(found[0], torch.tensor(first))
    torch.testing.assert_close(found[1, 2:], torch.tensor([(0.1 * (0.1 + step)) ** 0.5] * 2))
    torch.testing.assert_close(found[2, 2:], torch.tensor([0.1 * 2**0.5, 0.1 / 2**0.5]))
    torch.testing.assert_close(found[3, 2:], torch.tensor([0.1 / 2**0.5, 0.1 * 2**0.5]))
    torch.testing.assert_close(found[4, 2:], torch.tensor([0.1 * 3**0.5, 0.1 / 3**0.5]))
    # The next position of the row, then the next row.
    torch.testing.assert_close(found[6, :2], torch.tensor([0.375, 0.25]))
    torch.testing.assert_close(found[24, :2], torch.tensor([0.125, 0.75]))
    assert found.max() == 1.0


def test_offsets_are_equation_2_of_ssd_and_back() -> None:
    boxes = torch.tensor([[0.5, 0.5, 0.2, 0.4], [0.25, 0.75, 0.5, 0.5]])
    corners = torch.tensor([[0.45, 0.3, 0.65, 0.9], [0.0, 0.5, 0.5, 1.0]])
    offsets = encode(corners, boxes)
    by_hand = [
        (0.55 - 0.5) / 0.2 / 0.1,
        (0.6 - 0.5) / 0.4 / 0.1,
        np.log(0.2 / 0.2) / 0.2,
        np.log(0.6 / 0.4) / 0.2,
    ]
    torch.testing.assert_close(offsets[0], torch.tensor(by_hand, dtype=torch.float32))
    torch.testing.assert_close(offsets[1], torch.zeros(4))
    torch.testing.assert_close(decode(offsets, boxes), corners)
