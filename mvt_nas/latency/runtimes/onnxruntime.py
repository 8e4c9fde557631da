"""ONNX Runtime on the processor: fused kernels, one process, exact threads; the default."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mvt_nas._optional import missing, one_line_errors
from mvt_nas.errors import LatencyError
from mvt_nas.latency.onnxruntime_profile import read_events
from mvt_nas.latency.runtime import RUNTIMES, ArraySession, Runtime, RuntimeJob, Session
from mvt_nas.models.random_images import random_images

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mvt_nas.latency.model.kernels import Signature

# Matrix products with constant weights only, no convolutions. On one core with AVX-512 VNNI,
# mobilevit_xxs took 7.4 ms in fp32, 6.5 ms with these quantised, and 9.4 ms with convolutions too
# (32 ms with signed weights, for which ConvInteger has no fast kernel). For mobilevitv2_100 it was
# 19.5, 19.2 and 23.2 ms (125 ms).
QUANTISED_OPERATORS = ("MatMul", "Gemm")


@contextmanager
def open_session(job: RuntimeJob) -> Iterator[Session]:
    """Yield a session of a job.

    Raises:
        LatencyError: ONNX Runtime refuses the file or its input, or it holds nothing to quantise.
    """
    with one_line_errors(f"onnxruntime refuses {job.model}", LatencyError):
        inner = inference_session(job)
        name = inner.get_inputs()[0].name

        def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
            out: NDArray[np.float32] = inner.run(None, {name: images})[0]
            return out

        session = ArraySession(run, random_images(job.input_shape))
        session()
    yield session


def inference_session(job: RuntimeJob, session_options: Any = None) -> Any:
    """Return ONNX Runtime's session of a job, in the job's data type.

    Args:
        job: the job.
        session_options: options of ONNX Runtime; those of :func:`options` by default.

    Raises:
        LatencyError: the file holds nothing to quantise.
    """
    import onnxruntime

    assert job.model is not None
    session_options = session_options or options(job.threads)
    with TemporaryDirectory(prefix="mvt-nas-int8-") as folder:
        model = job.model
        if job.dtype == "int8":
            model = quantise(model, Path(folder) / "int8.onnx")
        return onnxruntime.InferenceSession(
            model, session_options, providers=["CPUExecutionProvider"]
        )


def options(threads: int) -> Any:
    """Return session options: sequential execution, all optimisations, no spinning threads."""
    import onnxruntime

    result = onnxruntime.SessionOptions()
    result.intra_op_num_threads = threads
    # Kernels run one after the other, so that a second pool would have no work.
    result.inter_op_num_threads = 1
    result.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    result.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    result.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Only fatal messages: errors are raised, and need not be logged too.
    result.log_severity_level = 4
    return result


def quantise(model: Path, path: Path) -> Path:
    """Write a model with its matrix products in 8-bit integers; return the path.

    Quantisation is dynamic and needs no data: weights are rounded once, activations by their range
    in each inference.

    Raises:
        LatencyError: no product has constant weights.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quant_utils, quantize_dynamic

    loaded = onnx.load(model)
    # Without this mark it logs an advice to fold batch norms, which only convolutions need.
    quant_utils.add_pre_process_metadata(loaded)
    quantize_dynamic(
        loaded, path, op_types_to_quantize=list(QUANTISED_OPERATORS), weight_type=QuantType.QInt8
    )
    if not any(node.op_type == "MatMulInteger" for node in onnx.load(path).graph.node):
        raise LatencyError(
            f"{model} cannot be run in int8: none of its products"
            f" ({', '.join(QUANTISED_OPERATORS)}) has constant weights"
        )
    return path


def _kernel_times(job: RuntimeJob, runs: int) -> Mapping[Signature, float]:
    """Return milliseconds by kernel signature, the low quantile over ``runs`` inferences.

    Raises:
        LatencyError: ONNX Runtime refuses the file, or wrote an unreadable profile.
    """
    with (
        TemporaryDirectory(prefix="mvt-nas-profile-") as folder,
        one_line_errors(f"onnxruntime cannot profile {job.model}", LatencyError),
    ):
        session_options = options(job.threads)
        session_options.enable_profiling = True
        session_options.profile_file_prefix = f"{folder}/profile"
        session = inference_session(replace(job, dtype="fp32"), session_options)
        feed = {session.get_inputs()[0].name: random_images(job.input_shape)}
        for _ in range(runs):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text())
    return read_events(events, runs)


RUNTIMES.register("onnxruntime")(
    Runtime(
        name="onnxruntime",
        summary="ONNX Runtime, processor, all graph optimisations",
        takes="onnx",
        package="onnxruntime",
        trouble=lambda: missing(("onnx", "onnxruntime"), "onnx"),
        session=open_session,
        dtypes=("fp32", "int8"),
        kernel_times=_kernel_times,
    )
)
