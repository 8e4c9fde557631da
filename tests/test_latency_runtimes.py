"""Every runtime computes what torch computes, on the threads it was given, and says in one line what it cannot do."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import LatencyError, PluginError
from mvt_nas.latency.fingerprint import fingerprint, usable_cores
from mvt_nas.latency.jobs import job_for
from mvt_nas.latency.measure import measure
from mvt_nas.latency.onnx_export import KEPT, export_onnx, trace_to_onnx
from mvt_nas.latency.onnx_file import input_shape
from mvt_nas.latency.plausible import plausible_network
from mvt_nas.latency.random_input import random_images
from mvt_nas.latency.runtimes import torch_compile
from mvt_nas.latency.runtimes.command import milliseconds
from mvt_nas.latency.runtimes.contract import RUNTIMES, Job, usable_runtime
from mvt_nas.latency.settings import Settings
from mvt_nas.space.architecture import Architecture, Stage

V1 = MobileViT(attention="multi_head", dim=16, ffn_dim=32, transformer_depth=1)
V2 = MobileViT(attention="separable", dim=16, ffn_dim=32, transformer_depth=1)
SMALL = Architecture(stem_width=8, head_width=32, resolution_px=64, stages=(Stage(width=16, block=V1), Stage(width=24, depth=2, block=V2)))
CONVOLUTIONAL = Architecture(stem_width=8, head_width=None, resolution_px=32, stages=(Stage(width=16),))
ECHO = "test -f {model} && echo 12.5"


def usable(quick: bool) -> list[str]:
    return [name for name in RUNTIMES if RUNTIMES.get(name).trouble() is None and RUNTIMES.get(name).probe is quick]


def settings_for(name: str, threads: int = 1) -> Settings:
    return Settings(runtime=name, threads=threads, batch_size=2, num_classes=10, command=ECHO if name == "command" else None)


def check_contract(name: str, architecture: Architecture, folder: Path) -> None:
    runtime = usable_runtime(name)
    job = job_for(architecture, settings_for(name), runtime, folder / "network.onnx")
    images = random_images((2, 3, architecture.resolution_px, architecture.resolution_px), seed=7)
    before = torch.get_num_threads()
    with runtime.session(job) as session:
        took_ms, logits = session(), session.logits(images)
    assert torch.get_num_threads() == before
    assert (took_ms is not None) is runtime.own_clock
    if runtime.own_clock:
        assert (took_ms, logits) == (12.5, None)
        return
    assert logits is not None
    with torch.no_grad():
        expected = plausible_network(architecture, num_classes=10)(torch.from_numpy(images)).numpy()
    assert np.ptp(expected, axis=0).max() > 1e-3
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4)


def test_these_runtimes_are_tried_here() -> None:
    assert set(usable(quick=True)) >= {"command", "onnxruntime", "openvino", "torch"}
    assert [RUNTIMES.get(name).name for name in RUNTIMES] == RUNTIMES.names()
    assert "torch_compile" in RUNTIMES


@pytest.mark.parametrize("name", usable(quick=True))
def test_a_runtime_computes_what_torch_computes(name: str, tmp_path: Path) -> None:
    check_contract(name, SMALL, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("name", usable(quick=False))
def test_a_runtime_that_compiles_computes_what_torch_computes(name: str, tmp_path: Path) -> None:
    check_contract(name, CONVOLUTIONAL, tmp_path)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_are_handed_on(threads: int, tmp_path: Path) -> None:
    def inner(name: str, attribute: str) -> Any:
        runtime = usable_runtime(name)
        with runtime.session(job_for(CONVOLUTIONAL, settings_for(name, threads), runtime, tmp_path / "network.onnx")) as session:
            return torch.get_num_threads() if name == "torch" else getattr(session, attribute)

    options = inner("onnxruntime", "_session").get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (threads, 1)
    compiled = inner("openvino", "_request").get_compiled_model()
    assert compiled.get_property("INFERENCE_NUM_THREADS") == min(threads, usable_cores())  # OpenVINO takes no more than there are
    assert inner("torch", "") == threads


def test_one_thread_of_onnxruntime_is_not_two(tmp_path: Path) -> None:
    runtime = usable_runtime("onnxruntime")
    with runtime.session(job_for(SMALL, settings_for("onnxruntime"), runtime, tmp_path / "network.onnx")) as session:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(50):
            session()
        assert (time.process_time() - cpu) / (time.perf_counter() - wall) < 1.5


def test_measuring_gives_a_timing_for_each_network_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = export_onnx(CONVOLUTIONAL, tmp_path / "own.onnx", num_classes=10)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    small, own = measure([("small", SMALL), ("own", path)], Settings(seconds=0.2))
    assert list((tmp_path / "temporary").glob("mvt-nas-latency-*")) == []
    assert (small.network, small.key, small.input_shape) == ("small", SMALL.key, (1, 3, 64, 64))
    assert (own.macs, own.input_shape, len(own.key)) == (None, (1, 3, 32, 32), 16)
    assert small.timing.rounds == own.timing.rounds > 0
    assert 0 < small.timing.min_ms <= small.timing.ms <= small.timing.median_ms


def test_unknown_runtimes_are_refused_with_the_nearest_name() -> None:
    with pytest.raises(PluginError, match=r"unknown runtime 'onnxruntme'; did you mean 'onnxruntime'\?"):
        usable_runtime("onnxruntme")


@pytest.mark.parametrize(("name", "module", "extra"), [("openvino", "openvino", "openvino"), ("onnxruntime", "onnxruntime", "onnx")])
def test_a_missing_package_is_named_with_its_extra(name: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "mvt_nas.latency.runtimes.contract.find_spec", lambda asked, *rest: None if asked == module else found(asked, *rest)
    )
    message = rf"runtime {name} cannot be used here: {module} is not installed; pip install 'mvt-nas\[{extra}\]'"
    with pytest.raises(LatencyError, match=message):
        usable_runtime(name)


def test_the_compiler_that_torch_compile_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(LatencyError, match=r"no C\+\+ compiler \(no-such-compiler\) on the path; install g\+\+ or clang\+\+, or set CXX"):
        usable_runtime("torch_compile")
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", "")
    assert "g++, clang++, c++, cl" in str(torch_compile.trouble())


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_a_model_that_the_runtime_refuses_is_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.onnx"
    info = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("NoSuchOperator", ["x"], ["y"])
    tensors = [info(tensor, onnx.TensorProto.FLOAT, [1, 3, 8, 8]) for tensor in "xy"]
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "odd", tensors[:1], tensors[1:])), path)
    with pytest.raises(LatencyError, match=rf"{name} refuses .*odd\.onnx: ") as caught:
        measure([("odd", path)], Settings(runtime=name, seconds=0.1))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x00" * 100, b"\x08\x08"])
def test_a_file_that_is_no_onnx_model_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(LatencyError, match=r"x\.onnx is no ONNX model: it "):
        measure([("x", path)], Settings())


def test_sizes_that_a_file_leaves_open_are_filled_and_those_it_fixes_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"

    def write(sizes: list[Any], kind: int = onnx.TensorProto.FLOAT) -> None:
        inputs, outputs = (onnx.helper.make_tensor_value_info(name, kind, sizes) for name in "xy")
        node = onnx.helper.make_node("Identity", ["x"], ["y"])
        onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "x", [inputs], [outputs])), path)

    write(["n", "c", "h", "w"])
    assert input_shape(path, batch_size=4, resolution_px=96) == (4, 3, 96, 96)
    with pytest.raises(LatencyError, match="the file leaves the height open; give --resolution"):
        input_shape(path)
    write([2, 1, 48, 64])
    assert input_shape(path) == (2, 1, 48, 64)
    with pytest.raises(LatencyError, match="batch size = 1 is not allowed, the file fixes it to 2"):
        input_shape(path, batch_size=1)
    write([1, 10])
    with pytest.raises(LatencyError, match=r"its input is float with 2 axes; float with 4, \(B, C, H, W\), is needed"):
        input_shape(path)
    write([1, 3, 8, 8], onnx.TensorProto.INT64)
    with pytest.raises(LatencyError, match="its input is int64 with 4 axes"):
        input_shape(path)


@pytest.mark.parametrize("name", ["torch", "torch_compile"])
def test_runtimes_of_modules_refuse_files(name: str, tmp_path: Path) -> None:
    with pytest.raises(LatencyError, match=f"runtime {name} runs architectures, not ONNX files such as x.onnx; use onnxruntime"):
        job_for(Path("x.onnx"), Settings(runtime=name), RUNTIMES.get(name), tmp_path)


def test_exports_are_kept_and_are_one_file_without_batch_norms_in_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    traced: list[Path] = []
    monkeypatch.setattr("mvt_nas.latency.onnx_export.trace_to_onnx", lambda *given: (traced.append(given[2]), trace_to_onnx(*given)))
    first = export_onnx(CONVOLUTIONAL, tmp_path / "a.onnx", seed=11).read_bytes()
    assert export_onnx(CONVOLUTIONAL, tmp_path / "b.onnx", seed=11).read_bytes() == first
    assert len(traced) == 1
    model = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(model)
    assert model.opset_import[0].version >= 17
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "b.onnx"]
    for seed in range(20, 20 + KEPT):
        export_onnx(CONVOLUTIONAL, tmp_path / "b.onnx", seed=seed)
    assert not traced[0].exists()
    assert export_onnx(CONVOLUTIONAL, tmp_path / "b.onnx", seed=11).read_bytes() == first
    assert len(traced) == KEPT + 2


def test_plausible_weights_keep_activations_at_a_plausible_size() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    network = plausible_network(SMALL, num_classes=10)
    assert torch.equal(torch.get_rng_state(), state)
    deviations: list[float] = []
    for block in network.feature_blocks():
        block.register_forward_hook(lambda _module, _given, out: deviations.append(float(out.std())))
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
    again = plausible_network(SMALL, num_classes=10)
    assert all(torch.equal(a, b) for a, b in zip(network.state_dict().values(), again.state_dict().values(), strict=True))


@pytest.mark.parametrize(
    ("output", "expected"),
    [("12.5", 12.5), ("warming up\n 3e1 \n\n", 30.0), (".5", 0.5), (" ".join(str(10 + i) for i in range(20)), 11.0), ("3 1 2", 1.0)],
)
def test_the_last_line_is_the_time(output: str, expected: float) -> None:
    assert milliseconds(output, "x") == expected


@pytest.mark.parametrize("output", ["12.5 ms", "nan", "inf", "1e999", "0", "-3", "1_000", "12,5", "0x10", "12.5\ndone", "5 -1", "١٢"])
def test_rubbish_is_no_time(output: str) -> None:
    with pytest.raises(LatencyError, match=r"milliseconds above 0, such as .* are expected"):
        milliseconds(output, "x")


def session_of(command: str, timeout_s: float = 20.0) -> float | None:
    job = Job((1, 3, 8, 8), 2, model=Path("a b.onnx"), command=command, timeout_s=timeout_s)
    with RUNTIMES.get("command").session(job) as session:
        return session()


def test_a_command_gets_path_and_threads() -> None:
    assert session_of("test {model} = 'a b.onnx' && echo {threads}") == 2.0


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("echo {model} >/dev/null", "printed nothing; milliseconds, such as 12.5, are expected in its last line"),
        ("echo no device; echo lost >&2; exit 3; {model}", "failed with exit code 3; it printed last: lost"),
        ("echo no device; exit 1; {model}", "failed with exit code 1; it printed last: no device"),
        ("exit 1; {model}", "failed with exit code 1; it printed nothing"),
        ("echo 5", r"--command 'echo 5' is not allowed; write \{model\} where the path of the ONNX file belongs"),
        ("", r"--command '' is not allowed; write \{model\}"),
    ],
)
def test_commands_that_fail_say_so_in_one_line(command: str, message: str) -> None:
    with pytest.raises(LatencyError, match=message) as caught:
        session_of(command)
    assert "\n" not in str(caught.value)


def test_a_command_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    command = f"echo waiting for device; (sleep 2; touch '{alive}') | cat; echo {{model}}"
    start = time.monotonic()
    with pytest.raises(LatencyError, match=r"took more than 0\.5 s; it printed last: waiting for device"):
        session_of(command, timeout_s=0.5)
    assert time.monotonic() - start < 2
    time.sleep(2)
    assert not alive.exists()


def test_the_fingerprint_repeats_and_names_what_matters() -> None:
    runtime = usable_runtime("onnxruntime")
    found = fingerprint(runtime, threads=2)
    assert found == fingerprint(runtime, threads=2)
    assert found["runtime"] == {"name": "onnxruntime", "version": importlib.import_module("onnxruntime").__version__, "threads": 2}
    assert found["packages"]["torch"] == torch.__version__
    assert found["device"]["cores"] >= found["device"]["usable_cores"] >= 1
    assert fingerprint(RUNTIMES.get("command"), threads=1, command="adb {model}")["device"] == {"command": "adb {model}"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"threads": 0}, "threads = 0 is not allowed; a number above 0"),
        ({"seconds": float("nan")}, "seconds = nan is not allowed"),
        ({"seconds": float("inf")}, "seconds = inf is not allowed"),
        ({"timeout_s": -1.0}, "timeout_s = -1.0 is not allowed"),
        ({"command": "x"}, "a command was given with the runtime onnxruntime; only the runtime command takes one"),
    ],
)
def test_settings_that_cannot_be_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(LatencyError, match=message):
        Settings(**changed)
