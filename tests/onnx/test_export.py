"""ONNX exports: onnxruntime computes the same outputs from the graph as PyTorch."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.models.network import build_model
from mvt_nas.space.architecture import Architecture, Stage


def network_of(*blocks: dict[str, Any], head_width: int | None = None) -> Architecture:
    """Return a small network, a stage per block; at 72 px, blocks see 18 x 18 and 9 x 9 pixels."""
    defaults: dict[str, Any] = {"dim": 16, "ffn_dim": 32, "transformer_depth": 1}
    stages = [
        Stage(width=16 + 8 * i, block=MobileViT(**(defaults | chosen)))
        for i, chosen in enumerate(blocks)
    ]
    first = Stage(width=16, stride=1, depth=2)
    return Architecture(stem_width=8, head_width=head_width, stages=(first, *stages))


V1 = {"attention": "multi_head", "fusion": "input", "fusion_kernel": 3}
V2 = {"attention": "separable"}
V3_ON_V1 = {
    "attention": "multi_head",
    "local_conv": "depthwise",
    "fusion": "local",
    "residual": True,
}
V3_ON_V2 = {"attention": "separable", "fusion": "local", "residual": True}
NETWORKS = {
    "v1": network_of(V1, V1, head_width=32),
    "v2": network_of(V2, V2),
    "v3 on v1": network_of(V3_ON_V1, V3_ON_V1, head_width=32),
    "v3 on v2": network_of(V3_ON_V2, V3_ON_V2),
    "mixed": network_of(
        V1 | {"norm": "group_norm", "patch": 3}, V3_ON_V2 | {"norm": "layer_norm", "patch": 1}
    ),
    "mixed, resized elsewhere": network_of(
        V2 | {"resize": "local", "patch": 4}, V3_ON_V1 | {"resize": "input", "patch": 8}
    ),
}


def exported(
    model: nn.Module, images: torch.Tensor, path: Path, *, dynamo: bool
) -> onnxruntime.InferenceSession:
    with (
        warnings.catch_warnings()
    ):  # of torch about itself: deprecated calls, and that a trace keeps the sizes it saw
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", "Converting a tensor to a Python boolean")
        torch.onnx.export(model, (images,), path, dynamo=dynamo, opset_version=18 if dynamo else 17)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options)


@pytest.mark.parametrize("side", [64, 72])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_traced_graph_computes_the_same_logits(name: str, side: int, tmp_path: Path) -> None:
    assert_same_logits(name, side, tmp_path / "network.onnx", dynamo=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name.startswith("mixed") else pytest.mark.soak)
        for name in NETWORKS
    ],
)
def test_an_exported_program_computes_the_same_logits(name: str, tmp_path: Path) -> None:
    assert_same_logits(name, 72, tmp_path / "network.onnx", dynamo=True)


def assert_same_logits(name: str, side: int, path: Path, *, dynamo: bool) -> None:
    model = build_model(NETWORKS[name], num_classes=10, seed=0).eval()
    example, images = torch.rand(2, 2, 3, side, side, generator=torch.Generator().manual_seed(0))
    session = exported(model, example, path, dynamo=dynamo)
    (logits,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    with torch.no_grad():
        expected = model(images).numpy()
    assert expected.std(axis=0).max() > 1e-4
    assert expected.std() > 0.01
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4)
