"""OpenVINO on the processor, through its ONNX reader: one stream, fp32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mvt_nas.latency.runtimes.contract import RUNTIMES, Job, Runtime, Session, missing, refusal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class OpenVinoSession:
    """An inference request of OpenVINO with its input."""

    def __init__(self, request: Any, images: NDArray[np.float32]) -> None:
        self._request = request
        self._images = images

    def __call__(self) -> None:
        """Run one inference."""
        self._request.infer([self._images], share_inputs=True, share_outputs=True)

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return the first output, (B, classes), for images (B, C, H, W)."""
        out: NDArray[np.float32] = self._request.infer([images])[0]
        return out


@contextmanager
def open_session(job: Job) -> Iterator[Session]:
    """Yield a session of a job.

    Raises:
        LatencyError: OpenVINO refuses the file or its input.
    """
    import openvino

    from mvt_nas.latency.random_input import random_images

    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": job.threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,  # the operating system may leave a core that another program uses
    }
    with refusal(f"openvino refuses {job.model}"):
        core = openvino.Core()
        model = core.read_model(job.model)
        model.reshape(list(job.input_shape))
        session = OpenVinoSession(core.compile_model(model, "CPU", settings).create_infer_request(), random_images(job.input_shape))
        session()
    yield session


RUNTIMES.register("openvino")(
    Runtime(
        name="openvino",
        summary="OpenVINO, processor, fp32, latency hint",
        takes="onnx",
        package="openvino",
        trouble=lambda: missing(("onnx", "openvino"), "openvino"),
        session=open_session,
    )
)
