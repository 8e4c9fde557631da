"""External ONNX files: their counts against ours and closed forms, and refused files."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from mvt_nas.cost.counts import Counts, count
from mvt_nas.errors import BaselineError
from mvt_nas.external_models.base import ExternalModel, load_external_model
from mvt_nas.external_models.onnx_graph import FOLDED
from mvt_nas.models.network import build_model
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import zoo
from tests.support.architectures import random_architecture


def export(network: nn.Module, side: int, path: Path, **settings: Any) -> Path:
    with warnings.catch_warnings():  # of torch about itself
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (torch.zeros(1, 3, side, side),),
            path,
            dynamo=False,
            input_names=["images"],
            **settings,
        )
    return path


def network_of(architecture: Architecture) -> nn.Module:
    """Return its network as after training, with different weights that the exporter all stores."""
    network = build_model(architecture, num_classes=10, seed=0)
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.02, generator=generator)
    return network


def scales(network: nn.Module) -> int:
    return sum(
        module.num_features for module in network.modules() if isinstance(module, nn.BatchNorm2d)
    )


def assert_counted(found: ExternalModel, counts: Counts, params: int) -> None:
    assert found.costs == {"params": params, "macs": counts.macs, "memory_mb": counts.memory_mb}


@pytest.mark.parametrize("name", ["mobilevit_xxs", "mobilevitv2_050", "mobilevitv3_xxs"])
def test_published_models_are_counted_as_they_are_here(name: str, tmp_path: Path) -> None:
    """The exporter folds batch norms: of their scale and shift, the shift is left."""
    architecture = replace(zoo(name), resolution_px=128)
    network, counts = network_of(architecture), count(architecture, num_classes=10)
    found = load_external_model(str(export(network, 128, tmp_path / "folded.onnx")))
    assert_counted(found, counts, counts.params - scales(network))
    assert (found.name, found.resolution_px, found.network, found.notes) == (
        "folded",
        128,
        tmp_path / "folded.onnx",
        (FOLDED,),
    )


def test_batch_norms_that_were_kept_count_whole(tmp_path: Path) -> None:
    architecture = replace(zoo("mobilevitv2_050"), resolution_px=64)
    network, counts = network_of(architecture), count(architecture, num_classes=10)
    kept = export(
        network,
        64,
        tmp_path / "kept.onnx",
        training=torch.onnx.TrainingMode.TRAINING,
        do_constant_folding=False,
    )
    model = onnx.load(kept)
    for norm in (node for node in model.graph.node if node.op_type == "BatchNormalization"):
        del norm.output[1:]  # norms stay only in training, where they return statistics too
        del norm.attribute[[entry.name for entry in norm.attribute].index("training_mode")]
    onnx.save(model, kept)
    found = load_external_model(str(kept))
    assert_counted(found, counts, counts.params)
    assert found.notes == ()


def test_random_networks_are_counted_as_they_are_here(tmp_path: Path) -> None:
    for seed in (4, 6):  # of both attentions, with a resize
        architecture = random_architecture(np.random.default_rng(seed))
        network = network_of(architecture)
        found = load_external_model(
            str(export(network, architecture.resolution_px, tmp_path / "network.onnx"))
        )
        counts = count(architecture, num_classes=10)
        assert_counted(found, counts, counts.params - scales(network))


def test_open_sizes_are_those_asked_for(tmp_path: Path) -> None:
    architecture = zoo("mobilevitv2_050")
    network = network_of(architecture)
    axes = {"images": {0: "batch", 2: "height", 3: "width"}}
    source = str(export(network, 64, tmp_path / "open.onnx", dynamic_axes=axes))
    for side, found in (
        (256, load_external_model(source)),
        (128, load_external_model(source, 128)),
    ):
        counts = count(replace(architecture, resolution_px=side), num_classes=10)
        assert found.resolution_px == side
        assert (found.costs["macs"], found.costs["params"]) == (
            counts.macs,
            counts.params - scales(network),
        )


def test_weights_that_are_equal_count_each(tmp_path: Path) -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 1), nn.LayerNorm(32), nn.Conv2d(8, 8, 1), nn.LayerNorm(32)
    )
    found = load_external_model(str(export(network, 32, tmp_path / "equal.onnx", opset_version=17)))
    assert found.costs["params"] == sum(parameter.numel() for parameter in network.parameters())


def saved(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    weights: dict[str, tuple[int, ...]],
    result: str,
    **changes: Any,
) -> str:
    """Write a graph of images (1, 3, 16, 16) with weights of some shapes."""
    shape = changes.get("shape", (1, 3, 16, 16))
    images = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name in changes.get("inputs", ("x",))
    ]
    tensors = [
        helper.make_tensor(name, TensorProto.FLOAT, dims, np.zeros(dims).ravel())
        for name, dims in weights.items()
    ]
    tensors += [
        onnx.numpy_helper.from_array(np.asarray(value), name)
        for name, value in changes.get("constants", {}).items()
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        images,
        [helper.make_tensor_value_info(result, TensorProto.FLOAT, None)],
        tensors,
    )
    opsets = [
        helper.make_opsetid(domain, version) for domain, version in (("", 20), ("com.microsoft", 1))
    ]
    onnx.save(helper.make_model(graph, opset_imports=opsets), path)
    return str(path)


def node(kind: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs.split(), [output], **attributes)


CONV = [
    node("Conv", "x w b", "y", strides=[2, 2], pads=[1, 1, 1, 1]),
    node("Conv", "y v", "z", group=8, dilations=[2, 2]),
]
BACK = [node("ConvTranspose", "x w b", "y", strides=[2, 2], group=1)]
FLAT = [
    node("Flatten", "x", "f"),
    node("Gemm", "f w b", "y", transB=1),
    node("Gemm", "v y", "z", transB=1),
]
ROWS = [
    node("MatMul", "x w", "y"),
    node("Add", "y b", "z"),
    node("Transpose", "z", "t", perm=[0, 1, 3, 2]),
    node("MatMul", "z t", "p"),
]
SUMS = [
    node("Einsum", "x w", "y", equation="bchw,cd->bdhw"),
    node("Einsum", "y x", "z", equation="bdhw,bchw->bdc"),
]


@pytest.mark.parametrize(
    ("nodes", "weights", "macs"),
    [
        (CONV, {"w": (8, 3, 3, 3), "b": (8,), "v": (8, 1, 3, 3)}, 8 * 8 * 8 * 27 + 8 * 4 * 4 * 9),
        (BACK, {"w": (3, 5, 2, 2), "b": (5,)}, 3 * 16 * 16 * 5 * 4),
        (FLAT, {"w": (10, 768), "b": (10,), "v": (4, 10)}, 7680 + 4 * 10),
        (ROWS, {"w": (16, 24), "b": (24,)}, 3 * 16 * 24 * 16 + 3 * 16 * 16 * 24),
        (SUMS, {"w": (3, 5)}, 5 * 3 * 256 + 5 * 3 * 256),
    ],
)
def test_products_have_their_closed_forms(
    nodes: list[onnx.NodeProto], weights: dict[str, Any], macs: int, tmp_path: Path
) -> None:
    found = load_external_model(saved(tmp_path / "m.onnx", nodes, weights, nodes[-1].output[0]))
    assert found.costs["macs"] == macs
    assert found.costs["params"] == sum(int(np.prod(dims)) for dims in weights.values())


def test_a_transpose_that_only_products_read_is_part_of_them(tmp_path: Path) -> None:
    weights = {"w": (16, 24), "b": (24,)}
    found = load_external_model(saved(tmp_path / "m.onnx", ROWS, weights, "p"))
    assert found.costs["memory_mb"] == 4 * (3 * 16 * 24 + 3 * 16 * 16) / 1e6
    both = [
        node("Transpose", "z", "u", perm=[0, 2, 1, 3]),
        node("Flatten", "t", "f"),
        node("Flatten", "u", "g"),
    ]
    found = load_external_model(
        saved(
            tmp_path / "m.onnx",
            [*ROWS[:3], *both, node("Concat", "f g", "p", axis=1)],
            weights,
            "p",
        )
    )
    assert found.costs["memory_mb"] == 4 * 4 * (3 * 16 * 24) / 1e6


SILU = [node("Sigmoid", "y", "s"), node("Mul", "y s", "z")]
GELU = [
    node("Mul", "y half", "a"),
    node("Erf", "y", "e"),
    node("Add", "e half", "p"),
    node("Mul", "a p", "z"),
]
BIAS = [node("Mul", "y c", "a"), node("Add", "a c", "z")]
PARTS = [node("Split", "y", "s", num_outputs=1), node("Reshape", "s shape", "z")]


@pytest.mark.parametrize(
    ("nodes", "largest"),
    [(SILU, 2), (GELU, 2), ([node("Relu", "y", "z")], 2), (BIAS, 1), (PARTS, 1)],
)
def test_what_nodes_keep_in_memory(
    nodes: list[onnx.NodeProto], largest: int, tmp_path: Path
) -> None:
    """After a convolution to 8 channels, ``largest`` maps of 8 channels are live at once.

    Otherwise it is one map together with the image or with the result of 4 channels.
    """
    before, after = node("Conv", "x w", "y"), node("Conv", "z v", "r")
    weights = {"w": (8, 3, 1, 1), "v": (4, 8, 1, 1), "c": (1, 8, 1, 1)}
    constants = {"half": np.float32(0.5), "shape": np.array([1, 8, 16, 16])}
    found = load_external_model(
        saved(tmp_path / "m.onnx", [before, *nodes, after], weights, "r", constants=constants)
    )
    assert found.costs["memory_mb"] == 4e-6 * 256 * max(8 * largest, 8 + 4)


QUANTISED = [
    node("QuantizeLinear", "x s", "q"),
    node("DequantizeLinear", "q s", "y"),
    node("DequantizeLinear", "w8 s", "w"),
]


def test_files_with_8_bit_weights_have_no_memory_in_fp32(tmp_path: Path) -> None:
    constants = {"w8": np.ones((8, 3, 1, 1), np.uint8), "s": np.float32(0.1)}
    found = load_external_model(
        saved(
            tmp_path / "m.onnx",
            [*QUANTISED, node("Conv", "y w", "z")],
            {},
            "z",
            constants=constants,
        )
    )
    assert found.costs == {"params": 24.0, "macs": 24.0 * 256}
    assert (
        "memory_mb is left out: the memory of DequantizeLinear, QuantizeLinear is not known, or is"
        " not fp32" in found.notes
    )


@pytest.mark.parametrize(
    ("nodes", "left_out"),
    [
        (
            [node("Reshape", "x shape", "f"), node("GRU", "f w v", "z", hidden_size=4)],
            {"macs": "GRU"},
        ),
        (
            [node("FusedMatMul", "x x", "z", domain="com.microsoft")],
            dict.fromkeys(("macs", "memory_mb"), "com.microsoft.FusedMatMul"),
        ),
        ([node("Einsum", "x x", "z", equation="...hw,...kw->...hk")], {"macs": "Einsum"}),
    ],
)
def test_what_is_not_known_is_left_out(
    nodes: list[onnx.NodeProto], left_out: dict[str, str], tmp_path: Path
) -> None:
    weights, constants = {"w": (1, 12, 256), "v": (1, 12, 4)}, {"shape": np.array([1, 3, 256])}
    found = load_external_model(
        saved(tmp_path / "m.onnx", nodes, weights, "z", constants=constants)
    )
    assert set(found.costs) == {"params", "macs", "memory_mb"} - set(left_out)
    for metric, name in left_out.items():
        assert any(
            note.startswith(f"{metric} is left out: ") and name in note for note in found.notes
        )


def test_what_only_says_that_there_are_no_weights_is_none(tmp_path: Path) -> None:
    nodes = [
        node("InstanceNormalization", "x one zero", "y"),
        node("InstanceNormalization", "y c one", "z"),
    ]
    constants = {"one": np.ones(3, np.float32), "zero": np.zeros(3, np.float32)}
    assert (
        load_external_model(
            saved(tmp_path / "m.onnx", nodes, {"c": (3,)}, "z", constants=constants)
        ).costs["params"]
        == 3 + 3
    )


def test_damaged_and_wrong_files_are_refused(tmp_path: Path) -> None:
    good = Path(
        saved(tmp_path / "good.onnx", CONV, {"w": (8, 3, 3, 3), "b": (8,), "v": (8, 1, 3, 3)}, "z")
    )
    cut, other = tmp_path / "cut.onnx", tmp_path / "other.onnx"
    cut.write_bytes(good.read_bytes()[:-200])
    other.write_text("no model")
    gap = saved(tmp_path / "gap.onnx", CONV[1:], {"v": (8, 1, 3, 3)}, "z")
    pair = saved(tmp_path / "pair.onnx", [node("Add", "x t", "z")], {}, "z", inputs=("x", "t"))
    eight = saved(tmp_path / "eight.onnx", [node("Relu", "x", "z")], {}, "z", shape=(8, 3, 16, 16))
    wide = saved(tmp_path / "wide.onnx", [node("Relu", "x", "z")], {}, "z", shape=(1, 3, 16, 24))
    fixed = saved(
        tmp_path / "fixed.onnx", FLAT[:2], {"w": (10, 768), "b": (10,)}, "y", shape=(1, 3, "h", "w")
    )
    for source, side, message in (
        (str(tmp_path / "none.onnx"), None, r"none\.onnx: there is no such file"),
        (str(cut), None, r"cut\.onnx is no ONNX model: it cannot be parsed"),
        (str(other), None, r"other\.onnx is no ONNX model: it cannot be parsed"),
        (
            gap,
            None,
            (
                r"gap\.onnx: the file is cut off or damaged: Conv reads 'y', which nothing before"
                r" it makes"
            ),
        ),
        (
            pair,
            None,
            r"pair\.onnx: 2 inputs; an ONNX model with one input, images \(B, C, H, W\), is needed",
        ),
        (eight, None, r"eight\.onnx: batch size = 1 is not allowed, the file fixes it to 8"),
        (wide, None, r"wide\.onnx: width = 16 is not allowed, the file fixes it to 24"),
        (str(good), 32, r"good\.onnx: height = 32 is not allowed, the file fixes it to 16"),
        (fixed, 32, r"fixed\.onnx: the network fails on images of shape \(1, 3, 32, 32\): Gemm, "),
    ):
        with pytest.raises(BaselineError, match=message):
            load_external_model(source, side)


def test_without_onnx_it_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = saved(tmp_path / "m.onnx", CONV[:1], {"w": (8, 3, 3, 3), "b": (8,)}, "y")
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "mvt_nas._optional.find_spec", lambda name: None if name == "onnx" else find(name)
    )
    with pytest.raises(
        BaselineError,
        match=r"m\.onnx cannot be read: onnx is not installed; pip install 'mvt-nas\[onnx\]'",
    ):
        load_external_model(source)
