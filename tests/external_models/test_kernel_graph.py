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
