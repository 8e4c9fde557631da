"""ONNX Runtime on the processor: fused kernels, one process, exact threads; the default."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mvt_nas.errors import LatencyError
from mvt_nas.latency.runtime import (
    RUNTIMES,
    ArraySession,
    Runtime,
    RuntimeJob,
    Session,
    missing,
    refusal,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mvt_nas.latency.model.kernels import Signature

# Of products with constant weights only. On one core with AVX-512 VNNI, mobilevit_xxs took 7.4 ms
# in fp32, 6.5 so, and 9.4 with convolutions (32 with signed weights, for which ConvInteger has no
# fast kernel); mobilevitv2_100 took 19.5, 19.2, and 23.2 (125).
QUANTISED_OPERATORS = ("MatMul", "Gemm")


@contextmanager
def open_session(job: RuntimeJob) -> Iterator[Session]:
    """Yield a session of a job.

    Raises:
        LatencyError: ONNX Runtime refuses the file or its input, or it holds nothing to quantise.
    """
    from mvt_nas.models.synthetic import random_images

    with refusal(f"onnxruntime refuses {job.model}"):
        inner = inference_session(job)
        name = inner.get_inputs()[0].name

        def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
            out: NDArray[np.float32] = inner.run(None, {name: images})[0]
            return out

        session = ArraySession(run, random_images(job.input_shape))
        session()
    yield session


def inference_session(job: RuntimeJob, chosen: Any = None) -> Any:
    """Return ONNX Runtime's session of a job, in the job's data type; with other options than :func:`options`, if they are given.

    Raises:
        LatencyError: the file holds nothing to quantise.
    """
    import onnxruntime

    assert job.model is not None
    chosen = chosen or options(job.threads)
    with TemporaryDirectory(prefix="mvt-nas-int8-") as folder:
        model = (
            quantise(job.model, Path(folder) / "int8.onnx") if job.dtype == "int8" else job.model
        )
        return onnxruntime.InferenceSession(model, chosen, providers=["CPUExecutionProvider"])


def options(threads: int) -> Any:
    """Return session options: so many threads, one kernel at a time, all optimisations, and no waiting in loops."""
    import onnxruntime

    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads = threads
    # kernels follow each other, so that a second pool would have no work
    chosen.inter_op_num_threads = 1
    chosen.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    chosen.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    chosen.add_session_config_entry("session.intra_op.allow_spinning", "0")
    chosen.log_severity_level = 4  # what goes wrong is raised, and said once
    return chosen


def quantise(model: Path, path: Path) -> Path:
    """Return the path after writing the model there with its products in 8-bit integers, scaled anew at every inference.

    It needs no data: weights are rounded once, activations by the range that each inference has.

    Raises:
        LatencyError: no product has constant weights.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quant_utils, quantize_dynamic

    loaded = onnx.load(model)
    quant_utils.add_pre_process_metadata(
        loaded
    )  # else it logs the advice to fold what only convolutions need folded
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
    """Return milliseconds by kernel, all with the same signature together: the low quantile over ``runs`` inferences.

    Raises:
        LatencyError: ONNX Runtime refuses the file, or wrote a profile that cannot be read.
    """
    import onnxruntime

    from mvt_nas.latency.onnxruntime_profile import read_events
    from mvt_nas.models.synthetic import random_images

    with (
        TemporaryDirectory(prefix="mvt-nas-profile-") as folder,
        refusal(f"onnxruntime cannot profile {job.model}"),
    ):
        chosen = options(job.threads)
        chosen.enable_profiling = True
        chosen.profile_file_prefix = f"{folder}/profile"
        session = onnxruntime.InferenceSession(
            job.model, chosen, providers=["CPUExecutionProvider"]
        )
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
