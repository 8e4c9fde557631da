"""OpenVINO on the processor, through its ONNX reader: one stream, fp32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mvt_nas._optional import missing, one_line_errors
from mvt_nas.errors import LatencyError
from mvt_nas.latency.runtime import RUNTIMES, ArraySession, Runtime, RuntimeJob, Session
from mvt_nas.models.random_images import random_images

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@contextmanager
def open_session(job: RuntimeJob) -> Iterator[Session]:
    """Yield a session of a job.

    Raises:
        LatencyError: OpenVINO refuses the file or its input.
    """
    with one_line_errors(f"openvino refuses {job.model}", LatencyError):
        request = compiled(job).create_infer_request()

        def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
            out: NDArray[np.float32] = request.infer(
                [images], share_inputs=True, share_outputs=True
            )[0]
            return out

        session = ArraySession(run, random_images(job.input_shape))
        session()
    yield session


def compiled(job: RuntimeJob) -> Any:
    """Return OpenVINO's compiled model of a job, with the job's input shape and threads."""
    assert job.model is not None
    model = read(job.model)
    model.reshape(list(job.input_shape))
    return compile_model(model, job.threads)


def read(path: Path) -> Any:
    """Return the model in an ONNX file or an ``.xml`` file of OpenVINO."""
    return _core().read_model(path)


def compile_model(model: Any, threads: int) -> Any:
    """Compile a model for the processor, in fp32, on ``threads`` threads, for lowest latency."""
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
        # Lets the operating system move threads off a core that another program uses.
        "ENABLE_CPU_PINNING": False,
    }
    return _core().compile_model(model, "CPU", settings)


def _core() -> Any:
    import openvino

    return openvino.Core()


RUNTIMES.register("openvino")(
    Runtime(
        name="openvino",
        summary="OpenVINO, processor, latency hint",
        takes="onnx",
        package="openvino",
        trouble=lambda: missing(("onnx", "openvino"), "openvino"),
        session=open_session,
    )
)
