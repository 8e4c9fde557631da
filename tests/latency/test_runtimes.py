"""Every runtime computes the logits of PyTorch on its threads, and has one-line errors."""

from __future__ import annotations

import importlib.util
import logging
import sys
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from mvt_nas._optional import silence_output
from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import LatencyError, PluginError
from mvt_nas.hardware import usable_cores
from mvt_nas.latency.runtime import RUNTIMES, RuntimeJob, Session, usable_runtime
from mvt_nas.latency.runtimes import cuda, executorch, torch_compile
from mvt_nas.latency.runtimes import onnxruntime as runtime_onnxruntime
from mvt_nas.latency.runtimes import openvino as runtime_openvino
from mvt_nas.latency.timing.jobs import job_for
from mvt_nas.latency.timing.measure import measure
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.latency.torch_sessions import cuda_session
from mvt_nas.models.random_images import random_images
from mvt_nas.models.synthetic import realistic_network
from mvt_nas.space.architecture import Architecture, Stage

pytestmark = pytest.mark.slow

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
CONVERTERS = [("litert", "litert_torch", "litert"), ("executorch", "executorch", "executorch")]
ECHO = "test -f {model} && echo 12.5"


def usable(quick: bool) -> list[str]:
    return [
        name
        for name in RUNTIMES
        if RUNTIMES.get(name).trouble() is None and RUNTIMES.get(name).reference_model is quick
    ]


def settings_for(name: str, threads: int = 1) -> TimingSettings:
    return TimingSettings(
        runtime=name,
        threads=threads,
        batch_size=2,
        num_classes=10,
        command=ECHO if name == "command" else None,
    )


def busy_processors(session: Session) -> float:
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(50):
        session()
    return (time.process_time() - cpu) / (time.perf_counter() - wall)


def check_contract(name: str, architecture: Architecture, folder: Path) -> None:
    runtime = usable_runtime(name)
    job = job_for(architecture, settings_for(name), runtime, folder / "network.onnx")
    images = random_images((2, 3, architecture.resolution_px, architecture.resolution_px), seed=7)
    before = torch.get_num_threads()
    with runtime.session(job) as session:
        took_ms, logits = session(), session.logits(images)
        busy = 0.0 if runtime.own_clock else busy_processors(session)
    assert torch.get_num_threads() == before
    assert (took_ms is not None) is runtime.own_clock
    if runtime.own_clock:
        assert (took_ms, logits) == (12.5, None)
        return
    assert logits is not None
    assert busy < 1.5
    with torch.no_grad():
        expected = realistic_network(architecture, num_classes=10)(torch.from_numpy(images)).numpy()
    assert np.ptp(expected, axis=0).max() > 1e-3
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4)


def test_these_runtimes_are_tried_here() -> None:
    assert set(usable(quick=True)) >= {"command", "onnxruntime", "openvino", "torch"}
    assert [RUNTIMES.get(name).name for name in RUNTIMES] == RUNTIMES.names()
    assert {"cuda", "executorch", "litert", "torch_compile"} <= set(RUNTIMES)
    for name in RUNTIMES:
        assert RUNTIMES.get(name).dtypes == (
            ("fp32", "int8") if name == "onnxruntime" else ("fp32",)
        )


@pytest.mark.parametrize("name", usable(quick=True))
def test_a_runtime_computes_what_torch_computes(name: str, tmp_path: Path) -> None:
    check_contract(name, SMALL, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("name", usable(quick=False))
def test_a_runtime_that_compiles_computes_what_torch_computes(name: str, tmp_path: Path) -> None:
    check_contract(name, CONVOLUTIONAL if name == "torch_compile" else SMALL, tmp_path)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_are_handed_on(threads: int, tmp_path: Path) -> None:
    def job(name: str) -> RuntimeJob:
        return job_for(
            CONVOLUTIONAL,
            settings_for(name, threads),
            usable_runtime(name),
            tmp_path / "network.onnx",
        )

    options = runtime_onnxruntime.inference_session(job("onnxruntime")).get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (threads, 1)
    found = runtime_openvino.compiled(job("openvino")).get_property("INFERENCE_NUM_THREADS")
    assert found == min(threads, usable_cores())  # OpenVINO takes no more than there are
    with usable_runtime("torch").session(job("torch")):
        assert torch.get_num_threads() == threads


@dataclass
class Pool:
    """A stand-in for ExecuTorch's library: one thread pool for the process."""

    threads: int = 4
    made: list[int] = field(default_factory=list)

    def _threadpool_get_thread_count(self) -> int:
        return self.threads

    def _unsafe_reset_threadpool(self, threads: int) -> None:
        self.threads = threads
        self.made.append(threads)


def test_the_threads_of_executorch_are_set_once_and_put_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = Pool()
    monkeypatch.setattr(executorch, "_library", lambda: pool)
    with executorch.thread_pool(1):
        with executorch.thread_pool(1):
            assert pool.made == [1]
        message = "cannot give 2 threads to one network while others are open with 1"
        with pytest.raises(LatencyError, match=message), executorch.thread_pool(2):
            pass
        assert pool.made == [1]
    assert pool.made == [1, 4]
    with executorch.thread_pool(4):
        assert pool.made == [1, 4]


def test_a_device_is_waited_for_and_runs_a_copy() -> None:
    job = job_for(CONVOLUTIONAL, settings_for("cuda"), RUNTIMES.get("cuda"), Path())
    assert job.module is not None
    events: list[str] = []
    job.module.register_forward_hook(
        lambda module, *_: events.append("own" if module is job.module else "copy")
    )
    images = random_images(job.input_shape, seed=7)
    flags = (torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32)
    with cuda_session(job, "cpu", lambda: events.append("waited")) as session:
        events.clear()
        session()
        assert events == ["copy", "waited"]
        assert (torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32) == (True, False)
        logits = session.logits(images)
    assert (torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32) == flags
    with torch.no_grad():
        np.testing.assert_allclose(
            logits, job.module(torch.from_numpy(images)).numpy(), rtol=0, atol=1e-6
        )
    assert events[-1] == "own"
    with (
        pytest.raises(LatencyError, match=r"torch cannot run the network on cuda:99: "),
        cuda_session(job, "cuda:99"),
    ):
        pass


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (
            "2.13.0+cpu",
            (
                r"no CUDA device for torch 2\.13\.0\+cpu, which is built for processors only;"
                r" install torch for CUDA"
            ),
        ),
        ("2.13.0+cu130", r"no CUDA device; torch 2\.13\.0\+cu130 finds none"),
    ],
)
def test_a_missing_device_is_named(
    version: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda, "package_version", lambda package: version)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(LatencyError, match="runtime cuda cannot be used here: " + message):
        usable_runtime("cuda")


def test_quiet_drops_what_is_said_inside_only(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with silence_output():
        print("progress")
        warnings.warn("of a library about itself", FutureWarning, stacklevel=1)
        logging.getLogger("library").warning("trifle")
        logging.getLogger("library").error("grave")
    print("result", file=sys.stdout)
    logging.getLogger("library").warning("later")
    assert capsys.readouterr().out == "result\n"
    assert caplog.messages == ["grave", "later"]


def test_unknown_runtimes_are_refused_with_the_nearest_name() -> None:
    with pytest.raises(
        PluginError, match=r"unknown runtime 'onnxruntme'; did you mean 'onnxruntime'\?"
    ):
        usable_runtime("onnxruntme")


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [("openvino", "openvino", "openvino"), ("onnxruntime", "onnxruntime", "onnx"), *CONVERTERS],
)
def test_a_missing_package_is_named_with_its_extra(
    name: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "mvt_nas._optional.find_spec",
        lambda name, *rest: None if name == module else found(name, *rest),
    )
    message = (
        rf"runtime {name} cannot be used here: {module} is not installed; pip install"
        rf" 'mvt-nas\[{extra}\]'"
    )
    with pytest.raises(LatencyError, match=message):
        usable_runtime(name)


def test_the_compiler_that_torch_compile_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(
        LatencyError,
        match=(
            r"no C\+\+ compiler \(no-such-compiler\) on the path; install g\+\+ or clang\+\+, or"
            r" set CXX"
        ),
    ):
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
    onnx.save(
        onnx.helper.make_model(onnx.helper.make_graph([node], "odd", tensors[:1], tensors[1:])),
        path,
    )
    with pytest.raises(LatencyError, match=rf"{name} refuses .*odd\.onnx: ") as caught:
        measure([("odd", path)], TimingSettings(runtime=name, seconds=0.1))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["torch", "torch_compile", "cuda", "litert", "executorch"])
def test_runtimes_of_modules_refuse_files(name: str, tmp_path: Path) -> None:
    with pytest.raises(
        LatencyError,
        match=f"runtime {name} runs architectures, not ONNX files such as x.onnx; use onnxruntime",
    ):
        job_for(Path("x.onnx"), TimingSettings(runtime=name), RUNTIMES.get(name), tmp_path)
