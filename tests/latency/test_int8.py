"""8-bit integers in ONNX Runtime: files contain them, and the logits hardly change."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from torch import nn

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import LatencyError
from mvt_nas.latency.runtime import RUNTIMES, RuntimeJob, Session, usable_runtime
from mvt_nas.latency.runtimes.onnxruntime import quantise
from mvt_nas.latency.timing.jobs import job_for
from mvt_nas.latency.timing.measure import measure
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.models.random_images import random_images
from mvt_nas.models.synthetic import realistic_network
from mvt_nas.onnx.export import export_onnx
from mvt_nas.space.architecture import Architecture, Stage

V1 = MobileViT(attention="multi_head", dim=16, ffn_dim=32, transformer_depth=1)
SMALL = Architecture(
    stem_width=8, head_width=32, resolution_px=64, stages=(Stage(width=16, block=V1),)
)
CONVOLUTIONAL = Architecture(
    stem_width=8, head_width=None, resolution_px=32, stages=(Stage(width=16),)
)
INT8 = TimingSettings(dtype="int8", batch_size=2, num_classes=10, seconds=0.2)


def logits(network: Architecture | Path, settings: TimingSettings, folder: Path) -> np.ndarray:
    runtime = usable_runtime(settings.runtime, settings.dtype)
    job = job_for(network, settings, runtime, folder / "network.onnx")
    with runtime.session(job) as session:
        session()
        found = session.logits(random_images(job.input_shape, seed=7))
    assert found is not None
    return found


def test_every_linear_layer_becomes_a_product_of_integers(tmp_path: Path) -> None:
    path = quantise(
        export_onnx(SMALL, tmp_path / "fp32.onnx", num_classes=10), tmp_path / "int8.onnx"
    )
    model = onnx.load(path)
    onnx.checker.check_model(model)
    weights = {
        tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer
    }
    products = [
        weights[node.input[1]] for node in model.graph.node if node.op_type == "MatMulInteger"
    ]
    layers = [
        module
        for module in realistic_network(SMALL, num_classes=10).modules()
        if isinstance(module, nn.Linear)
    ]
    assert sorted(product.shape for product in products) == sorted(
        layer.weight.T.shape for layer in layers
    )
    # The joint QKV projection, the output projection, two of the feed-forward part, the classifier.
    assert len(products) == 5
    assert {product.dtype for product in products} == {np.dtype(np.int8)}


def test_integers_are_the_weights_rounded(tmp_path: Path) -> None:
    model = onnx.load(
        quantise(export_onnx(SMALL, tmp_path / "fp32.onnx", num_classes=10), tmp_path / "int8.onnx")
    )
    weights = {
        tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer
    }
    classifier = realistic_network(SMALL, num_classes=10).classifier
    expected = (
        next(module for module in classifier.modules() if isinstance(module, nn.Linear))
        .weight.detach()
        .numpy()
        .T
    )
    (name,) = (
        name
        for name in weights
        if name.endswith("_quantized") and weights[name].shape == expected.shape
    )
    scale = weights[name.removesuffix("_quantized") + "_scale"]
    assert scale == pytest.approx(np.abs(expected).max() / 127, rel=0.01)
    np.testing.assert_allclose(weights[name] * scale, expected, rtol=0, atol=0.51 * float(scale))


def test_logits_change_a_little(tmp_path: Path) -> None:
    exact, rounded = (
        logits(SMALL, replace(INT8, dtype=dtype), tmp_path) for dtype in ("fp32", "int8")
    )
    change = np.abs(rounded - exact).max() / np.ptp(exact)
    assert 1e-4 < change < 0.05


def test_a_file_of_ones_own_is_quantised_beside_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    path = export_onnx(SMALL, tmp_path / "own.onnx", num_classes=10, batch_size=2)
    before, kept = path.read_bytes(), set(temporary.iterdir())
    own = logits(path, INT8, tmp_path)
    assert path.read_bytes() == before
    assert set(temporary.iterdir()) == kept
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["own.onnx", "temporary"]
    np.testing.assert_array_equal(own, logits(SMALL, INT8, tmp_path))


def test_quantising_says_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    handlers = list(logging.root.handlers)
    logits(SMALL, INT8, tmp_path)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    assert logging.root.handlers == handlers


def test_a_network_without_products_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "convolution.onnx"
    images, out = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 8, 8])
        for name in "xy"
    )
    weight = onnx.numpy_helper.from_array(np.ones((3, 3, 1, 1), np.float32), "w")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["x", "w"], ["y"])], "x", [images], [out], [weight]
    )
    onnx.save(
        onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9
        ),
        path,
    )
    with pytest.raises(
        LatencyError,
        match=(
            r"convolution\.onnx cannot be run in int8: none of its products \(MatMul, Gemm\) has"
            r" constant"
        ),
    ):
        measure([("convolution", path)], replace(INT8, batch_size=None))


@pytest.mark.parametrize("name", ["torch", "openvino", "command", "litert"])
def test_runtimes_without_int8_say_which_has_it(name: str) -> None:
    with pytest.raises(
        LatencyError, match=rf"runtime {name} runs fp32 only, not int8; for int8 use onnxruntime$"
    ):
        usable_runtime(name, "int8")


def test_the_reference_model_stays_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    runtime = RUNTIMES.get("onnxruntime")

    @contextmanager
    def spy(job: RuntimeJob) -> Iterator[Session]:
        opened.append(job.dtype)
        with runtime.session(job) as session:
            yield session

    module = importlib.import_module(
        "mvt_nas.latency.timing.measure"
    )  # the package has a function of that name
    monkeypatch.setattr(module, "usable_runtime", lambda *_: replace(runtime, session=spy))
    (measured,) = measure([("small", CONVOLUTIONAL)], INT8)
    assert opened == ["int8", "fp32"]
    assert measured.timing.reference_ms is not None
