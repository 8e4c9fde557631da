"""OpenVINO on the processor, through its ONNX reader: one stream, fp32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


@contextmanager
def open_session(job: RuntimeJob) -> Iterator[Session]:
    """Yield a session of a job.

    Raises:
        LatencyError: OpenVINO refuses the file or its input.
    """
    from mvt_nas.models.synthetic import random_images

    with refusal(f"openvino refuses {job.model}"):
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
    """Return OpenVINO's compiled model of a job: its input shape, its number of threads, lowest latency."""
    assert job.model is not None
    model = read(job.model)
    model.reshape(list(job.input_shape))
    return compile_model(model, job.threads)


def read(path: Path) -> Any:
    """Return the model in an ONNX file or an ``.xml`` of OpenVINO's."""
    import openvino

    return openvino.Core().read_model(path)


def compile_model(model: Any, threads: int) -> Any:
    """Return the compiled model: for the processor, in fp32, on so many threads, lowest latency."""
    import openvino

    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
        # the operating system may leave a core that another program uses
        "ENABLE_CPU_PINNING": False,
    }
    return openvino.Core().compile_model(model, "CPU", settings)


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
