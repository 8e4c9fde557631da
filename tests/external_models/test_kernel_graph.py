"""Kernels of external networks: the latency of their lowering, and what has no kernel."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch
from torch import Tensor, nn

from mvt_nas.accuracy.imagenet.published_results import in_space_results
from mvt_nas.external_models.kernel_graph import KernelGraph, kernel_graph
from mvt_nas.external_models.onnx_graph import record_graph
from mvt_nas.external_models.torch_trace import trace
from mvt_nas.latency.model.kernels import kernels
from mvt_nas.models.lowering import lower
from mvt_nas.models.network import build_model
from mvt_nas.onnx.shapes import infer_shapes
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import zoo
from tests.support.device_profiles import predictor

MOBILENETV2 = "conv"


def architecture_of(name: str) -> Architecture:
    if name == MOBILENETV2:
        return next(one.architecture for one in in_space_results() if one.line == name)
    return zoo(name)


def traced(network: nn.Module, side: int) -> KernelGraph:
    return kernel_graph(trace(network.eval(), torch.zeros(1, 3, side, side)))


def exported(network: nn.Module, side: int, path: Path) -> KernelGraph:
    with warnings.catch_warnings():  # of torch about itself
        warnings.simplefilter("ignore")
        torch.onnx.export(network.eval(), (torch.zeros(1, 3, side, side),), path, dynamo=False)
    return kernel_graph(record_graph(*infer_shapes(onnx.load(path), (1, 3, side, side))))


@pytest.mark.parametrize("name", [MOBILENETV2, "mobilevit_xxs", "mobilevitv2_050"])
def test_a_network_read_back_has_the_predicted_latency_of_its_architecture(
    name: str, tmp_path: Path
) -> None:
    """Every class and term has a coefficient of its own, so all of them have to be equal."""
    architecture = replace(architecture_of(name), resolution_px=128)
    network = build_model(architecture, num_classes=10, seed=0)
    model = predictor(3)
    classes = sorted(kernel.kind for kernel in kernels(lower(architecture).ops))
    for found in (traced(network, 128), exported(network, 128, tmp_path / "network.onnx")):
        assert sorted(kernel.kind for kernel in kernels(found.ops)) == classes
        assert (found.missing, found.uncounted, found.outputs) == ({}, (), 10)
        assert found.classifier_inputs == lower(architecture).ops[-1].inputs[0].elements
        for batch_size in (1, 4):
            expected = model.predict(architecture, batch_size=batch_size, num_classes=10)
            # The exporter writes the scale of a group norm that is 1 as a norm's own.
            assert model.predict_graph(found.graph(batch_size)).ms == pytest.approx(
                expected.ms, rel=1e-4
            )
    assert model.predict_graph(traced(network, 128).graph()).ms == pytest.approx(
        model.predict(architecture, num_classes=10).ms
    )


def test_a_mean_over_a_window_has_no_kernel() -> None:
    found = traced(nn.Sequential(nn.Conv2d(3, 8, 1), nn.AvgPool2d(2)), 16)
    assert found.missing == {"avg_pool2d": 8 * 16 * 16 + 8 * 8 * 8}


class Pooled(nn.Module):
    """A convolution, a pooling with a window, and a transposed convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.back = nn.ConvTranspose2d(8, 4, 2, stride=2)

    def forward(self, images: Tensor) -> Tensor:
        pooled = nn.functional.max_pool2d(self.conv(images), 2)
        result: Tensor = self.back(pooled)
        return result


def test_operations_that_no_lowering_has_are_missing_with_what_they_move(tmp_path: Path) -> None:
    network = Pooled()
    before, after, back = 8 * 16 * 16, 8 * 8 * 8, 4 * 16 * 16
    weights = 3 * 8 * 9 + 8
    share = (before + 2 * after + back) / (
        (before + 2 * after + back) + (3 * 16 * 16 + before + weights)
    )
    for found, pool, convolution in (
        (traced(network, 16), "max_pool2d_with_indices", "convolution"),
        (exported(network, 16, tmp_path / "pooled.onnx"), "maxpool", "convtranspose"),
    ):
        assert found.missing == {pool: before + after, convolution: after + back}
        assert found.missing_share == pytest.approx(share)
        assert [kernel.kind for kernel in kernels(found.ops)] == ["stem"]
        assert (found.outputs, found.classifier_inputs) == (None, None)


def test_unknown_work_is_named() -> None:
    node = onnx.helper.make_node("FusedMatMul", ["x", "x"], ["y"], domain="com.microsoft")
    values = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("x", (1, 3, 16, 16)), ("y", None))
    ]
    graph = onnx.helper.make_graph([node], "g", values[:1], values[1:])
    found = kernel_graph(record_graph(graph, {"x": (1, 3, 16, 16)}))
    assert found.uncounted == ("com.microsoft.fusedmatmul",)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.ReLU6(), "relu"),
        (nn.Hardswish(), "activation"),
        (nn.GELU(), "activation"),
        (nn.AdaptiveAvgPool2d(1), "mean"),
        (nn.AvgPool2d(16), "mean"),
        (nn.Upsample(scale_factor=2, mode="bilinear"), "resize"),
        (nn.PixelShuffle(2), "fold"),
        (nn.Conv2d(8, 8, 3, groups=8, padding=1, stride=2), "depthwise_strided"),
        (nn.Conv2d(8, 8, 1), "pointwise"),
        (nn.Conv2d(8, 8, 3, groups=2), "convolution"),
        (nn.GroupNorm(2, 8), "group_norm"),
        (nn.LayerNorm(16), "layer_norm"),
    ],
)
def test_layers_of_other_networks_are_kernels_of_known_classes(
    layer: nn.Module, expected: str
) -> None:
    found = traced(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), layer), 16)
    assert [kernel.kind for kernel in kernels(found.ops)] == ["stem", expected]


class Functions(nn.Module):
    """Functions of two maps, and of one map in several operations."""

    def forward(self, images: Tensor) -> Tensor:
        gate = torch.sigmoid(images.mean((2, 3), keepdim=True))
        swish = images * (images + 3).clamp(0, 6) / 6
        result: Tensor = gate * swish + images
        return 2 * result


def test_functions_of_several_operations_are_one_kernel(tmp_path: Path) -> None:
    expected = ["mean", "activation", "activation", "mul", "add", "scale"]
    for found in (traced(Functions(), 16), exported(Functions(), 16, tmp_path / "f.onnx")):
        assert [kernel.kind for kernel in kernels(found.ops)] == expected
