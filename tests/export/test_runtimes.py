"""Formats for runtimes and PyTorch, opened by their own libraries: outputs for any batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from mvt_nas.cost.counts import count
from mvt_nas.export.base import TARGETS, ExportModel, read_architecture
from mvt_nas.export.verification import export, export_all, time_exports
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published_names, zoo
from mvt_nas.space.search_space import load_space
from tests.support.export_networks import (
    BLOCKS,
    architecture_with,
    architectures,
    realistic_export_model,
)

pytestmark = pytest.mark.slow

Images = NDArray[np.float32]
NETWORKS: dict[str, Architecture] = {
    "the published blocks": architectures()["seven stages"],
    "mixed choices": architecture_with(
        *(BLOCKS[name] for name in ("mixed norms", "mixed attention", "v1 with a small fusion"))
    ),
    "a map that no patch divides": architectures()["a map that no patch divides"],
    "all convolutions": architectures()["all convolutions"],
}
ONE = architecture_with(BLOCKS["v2"])
MOST = 1e-4
"""Largest difference of logits of order one that is still the same network."""


def of_onnx(path: Path) -> Callable[[Images], Images]:
    onnx.checker.check_model(path, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    return lambda images: session.run(["logits"], {"images": images})[0]


def of_torch(path: Path) -> Callable[[Images], Images]:
    module = torch.export.load(path).module()

    def run(images: Images) -> Images:
        with torch.no_grad():
            return module(torch.from_numpy(images)).numpy()

    return run


def of_openvino(path: Path) -> Callable[[Images], Images]:
    compiled = openvino.Core().compile_model(
        path, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    )
    return lambda images: compiled([images])["logits"]


OPENED: dict[str, Callable[[Path], Callable[[Images], Images]]] = {
    "onnx": of_onnx,
    "openvino": of_openvino,
    "torch": of_torch,
}


def largest_difference(original: ExportModel, run: Callable[[Images], Images]) -> float:
    """Return the largest difference of logits over batches of one and three random images."""
    worst = 0.0
    for batch in (1, 3):
        shape = (batch, *original.input_shape[1:])
        images = np.random.default_rng(batch).standard_normal(shape, dtype=np.float32)
        with torch.no_grad():
            expected = original.module(torch.from_numpy(images)).numpy()
        assert 0.1 < expected.std() < 30
        assert batch == 1 or np.ptp(expected, axis=0).max() > 1e-2
        worst = max(worst, float(np.abs(run(images) - expected).max()))
    return worst


@pytest.mark.parametrize(
    ("target", "name"),
    [
        # Every target writes one network, and one target writes every network; all pairs in soak.
        pytest.param(
            target,
            name,
            marks=() if target == "onnx" or name == "mixed choices" else pytest.mark.soak,
        )
        for target in OPENED
        for name in NETWORKS
    ],
)
def test_what_is_exported_computes_the_same(target: str, name: str, tmp_path: Path) -> None:
    original = realistic_export_model("net", NETWORKS[name], num_classes=7)
    exported = export(original, target, tmp_path)
    assert exported.same
    assert exported.batches == (1, 3)
    assert largest_difference(original, OPENED[target](exported.files[0])) <= MOST
    assert read_architecture(exported.files[0]).architecture.key == original.architecture.key


@pytest.mark.soak
@pytest.mark.parametrize("target", [*OPENED, "python"])
def test_all_published_and_thirty_random_networks_are_exported_the_same(
    target: str, tmp_path: Path
) -> None:
    space = load_space("mobilevit")
    networks = {name: zoo(name) for name in published_names()}
    networks |= {
        f"random{number}": space.decode(row) for number, row in enumerate(space.sample(30, seed=1))
    }
    assert len(networks) == 49
    for name, architecture in networks.items():
        original = realistic_export_model(name, architecture)
        exported = export(original, target, tmp_path)
        assert exported.same, name
        assert exported.run is not None
        assert largest_difference(original, exported.run) <= MOST, name
        assert read_architecture(exported.files[0]).architecture.key == architecture.key, name
        for path in exported.files:
            path.unlink()


def test_weights_in_an_onnx_file_are_counted_as_they_are_after_folding(tmp_path: Path) -> None:
    original = realistic_export_model("net", ONE, num_classes=7)
    written = TARGETS.get("onnx").write(original, tmp_path)
    norms = sum(
        module.weight.numel()
        for module in original.module.modules()
        if isinstance(module, nn.BatchNorm2d)
    )
    assert written.folded
    assert written.params == count(ONE, num_classes=7).params - norms
    assert all(
        node.op_type != "BatchNormalization" for node in onnx.load(written.files[0]).graph.node
    )


def test_the_batch_axis_alone_is_open(tmp_path: Path) -> None:
    original = realistic_export_model("net", ONE, num_classes=7)
    onnx_file, openvino_file = (
        one.files[0] for one in export_all(original, ["onnx", "openvino"], tmp_path)
    )
    side = ONE.resolution_px
    sizes = onnx.load(onnx_file).graph.input[0].type.tensor_type.shape.dim
    assert [size.dim_value or size.dim_param for size in sizes] == ["batch", 3, side, side]
    assert (
        str(openvino.Core().read_model(openvino_file).input(0).partial_shape)
        == f"[?,3,{side},{side}]"
    )


def test_runtimes_are_timed_beside_the_network_itself(tmp_path: Path) -> None:
    original = realistic_export_model("net", ONE, num_classes=7)
    exported = export_all(original, ["onnx", "python", "torch"], tmp_path)
    timings = time_exports(original, exported, seconds=0.05)
    assert set(timings) == {"PyTorch", "onnx", "torch"}
    assert all(timing.ms > 0 and timing.rounds > 0 for timing in timings.values())
    assert (
        time_exports(original, [one for one in exported if one.target == "python"], seconds=0.05)
        == {}
    )
