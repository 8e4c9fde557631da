"""Jobs and measurements of networks: exports, external files, settings, fingerprints."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import LatencyError
from mvt_nas.latency.fingerprint import describe, fingerprint
from mvt_nas.latency.runtime import RUNTIMES, usable_runtime
from mvt_nas.latency.timing.measure import measure
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.models.random_images import random_images
from mvt_nas.models.synthetic import realistic_network
from mvt_nas.onnx.export import CACHED_EXPORTS, export_onnx, trace_to_onnx
from mvt_nas.onnx.file import input_shape
from mvt_nas.space.architecture import Architecture, Stage

V1 = MobileViT(attention="multi_head", dim=16, ffn_dim=32, transformer_depth=1)
V2 = MobileViT(attention="separable", dim=16, ffn_dim=32, transformer_depth=1)
SMALL = Architecture(
    stem_width=8,
    head_width=32,
    resolution_px=64,
    stages=(Stage(width=16, block=V1), Stage(width=24, depth=2, block=V2)),
)
CONVOLUTIONAL = Architecture(
    stem_width=8, head_width=None, resolution_px=32, stages=(Stage(width=16),)
)


def test_measuring_gives_a_timing_for_each_network_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = export_onnx(CONVOLUTIONAL, tmp_path / "own.onnx", num_classes=10)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    small, own = measure([("small", SMALL), ("own", path)], TimingSettings(seconds=0.2))
    assert list((tmp_path / "temporary").glob("mvt-nas-latency-*")) == []
    assert (small.network, small.key, small.input_shape) == ("small", SMALL.key, (1, 3, 64, 64))
    assert (own.macs, own.input_shape, len(own.key)) == (None, (1, 3, 32, 32), 16)
    assert small.timing.rounds == own.timing.rounds > 0
    assert 0 < small.timing.min_ms <= small.timing.ms <= small.timing.median_ms


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x00" * 100, b"\x08\x08"])
def test_a_file_that_is_no_onnx_model_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(LatencyError, match=r"x\.onnx is no ONNX model: it "):
        measure([("x", path)], TimingSettings())


def test_sizes_that_a_file_leaves_open_are_filled_and_those_it_fixes_are_kept(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.onnx"

    def write(sizes: list[Any], kind: int = onnx.TensorProto.FLOAT) -> None:
        inputs, outputs = (onnx.helper.make_tensor_value_info(name, kind, sizes) for name in "xy")
        node = onnx.helper.make_node("Identity", ["x"], ["y"])
        onnx.save(
            onnx.helper.make_model(onnx.helper.make_graph([node], "x", [inputs], [outputs])), path
        )

    write(["n", "c", "h", "w"])
    assert input_shape(path, batch_size=4, resolution_px=96) == (4, 3, 96, 96)
    with pytest.raises(LatencyError, match="the file leaves the height open; give --resolution"):
        input_shape(path)
    write([2, 1, 48, 64])
    assert input_shape(path) == (2, 1, 48, 64)
    with pytest.raises(LatencyError, match="batch size = 1 is not allowed, the file fixes it to 2"):
        input_shape(path, batch_size=1)
    write([1, 10])
    with pytest.raises(
        LatencyError,
        match=r"its input is float with 2 axes; float with 4, \(B, C, H, W\), is needed",
    ):
        input_shape(path)
    write([1, 3, 8, 8], onnx.TensorProto.INT64)
    with pytest.raises(LatencyError, match="its input is int64 with 4 axes"):
        input_shape(path)


def test_exports_are_kept_and_are_one_file_without_batch_norms_in_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traced: list[Path] = []

    def noted(*given: Any, outputs: Any) -> None:
        traced.append(given[2])
        trace_to_onnx(*given, outputs=outputs)

    monkeypatch.setattr("mvt_nas.onnx.export.trace_to_onnx", noted)
    first = export_onnx(CONVOLUTIONAL, tmp_path / "a.onnx", seed=11).read_bytes()
    assert export_onnx(CONVOLUTIONAL, tmp_path / "b.onnx", seed=11).read_bytes() == first
    assert len(traced) == 1
    model = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(model)
    assert model.opset_import[0].version >= 17
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "b.onnx"]
    for seed in range(20, 20 + CACHED_EXPORTS):
        export_onnx(CONVOLUTIONAL, tmp_path / "b.onnx", seed=seed)
    assert not traced[0].exists()
    assert export_onnx(CONVOLUTIONAL, tmp_path / "b.onnx", seed=11).read_bytes() == first
    assert len(traced) == CACHED_EXPORTS + 2


def test_plausible_weights_keep_activations_at_a_plausible_size() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    network = realistic_network(SMALL, num_classes=10)
    assert torch.equal(torch.get_rng_state(), state)
    deviations: list[float] = []
    for block in network.feature_blocks():
        block.register_forward_hook(
            lambda _module, _given, out: deviations.append(float(out.std()))
        )
    with torch.no_grad():
        network(torch.from_numpy(random_images((1, 3, 64, 64), seed=3)))
    assert not network.training
    assert len(deviations) == 5
    assert all(0.05 < deviation < 20 for deviation in deviations)
    convolution, norm = network.stem[0], network.stem[1]
    with torch.no_grad():
        seen = convolution(torch.from_numpy(random_images((2, 3, 64, 64))))
    torch.testing.assert_close(norm.running_mean, seen.mean((0, 2, 3)))
    torch.testing.assert_close(norm.running_var, seen.var((0, 2, 3)))
    again = realistic_network(SMALL, num_classes=10)
    assert all(
        torch.equal(a, b)
        for a, b in zip(network.state_dict().values(), again.state_dict().values(), strict=True)
    )


def test_the_fingerprint_repeats_and_names_what_matters() -> None:
    runtime = usable_runtime("onnxruntime")
    found = fingerprint(runtime, threads=2)
    assert found == fingerprint(runtime, threads=2)
    assert found["runtime"] == {
        "name": "onnxruntime",
        "version": importlib.import_module("onnxruntime").__version__,
        "threads": 2,
        "dtype": "fp32",
    }
    assert found["packages"]["torch"] == torch.__version__
    assert found["device"]["cores"] >= found["device"]["usable_cores"] >= 1
    assert fingerprint(RUNTIMES.get("command"), threads=1, command="adb {model}")["device"] == {
        "command": "adb {model}"
    }


def test_a_device_beside_the_processor_is_named() -> None:
    found = fingerprint(replace(RUNTIMES.get("torch"), accelerator=lambda: "Some GPU"), threads=1)
    assert found["device"] == fingerprint(RUNTIMES.get("torch"), threads=1)["device"] | {
        "accelerator": "Some GPU"
    }
    assert f"fp32, 1 thread; Some GPU, {found['device']['cpu']}, " in describe(found)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"threads": 0}, "threads = 0 is not allowed; a number above 0"),
        ({"seconds": float("nan")}, "seconds = nan is not allowed"),
        ({"seconds": float("inf")}, "seconds = inf is not allowed"),
        ({"timeout_s": -1.0}, "timeout_s = -1.0 is not allowed"),
        ({"dtype": "int4"}, "dtype = 'int4' is not allowed; fp32 or int8"),
        (
            {"command": "x"},
            "a command was given with the runtime onnxruntime; only the runtime command takes one",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(LatencyError, match=message):
        TimingSettings(**changed)
