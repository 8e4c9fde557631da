"""ONNX Runtime on the processor: fused kernels, one process, exact threads; the default."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mvt_nas.latency.runtimes.contract import RUNTIMES, Job, Runtime, Session, missing, refusal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class OnnxRuntimeSession:
    """A network in ONNX Runtime with its input."""

    def __init__(self, session: Any, images: NDArray[np.float32]) -> None:
        self._session = session
        self._name = session.get_inputs()[0].name
        self._feed = {self._name: images}

    def __call__(self) -> None:
        """Run one inference."""
        self._session.run(None, self._feed)

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return the first output, (B, classes), for images (B, C, H, W)."""
        out: NDArray[np.float32] = self._session.run(None, {self._name: images})[0]
        return out


@contextmanager
def open_session(job: Job) -> Iterator[Session]:
    """Yield a session of a job.

    Raises:
        LatencyError: ONNX Runtime refuses the file or its input.
    """
    import onnxruntime

    from mvt_nas.latency.random_input import random_images

    with refusal(f"onnxruntime refuses {job.model}"):
        inner = onnxruntime.InferenceSession(job.model, options(job.threads), providers=["CPUExecutionProvider"])
        session = OnnxRuntimeSession(inner, random_images(job.input_shape))
        session()
    yield session


def options(threads: int) -> Any:
    """Return session options: so many threads, one kernel at a time, all optimisations, and no waiting in loops."""
    import onnxruntime

    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads = threads
    chosen.inter_op_num_threads = 1  # kernels follow each other, so that a second pool would have no work
    chosen.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    chosen.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    chosen.add_session_config_entry("session.intra_op.allow_spinning", "0")
    chosen.log_severity_level = 4  # what goes wrong is raised, and said once
    return chosen


RUNTIMES.register("onnxruntime")(
    Runtime(
        name="onnxruntime",
        summary="ONNX Runtime, processor, fp32, all graph optimisations",
        takes="onnx",
        package="onnxruntime",
        trouble=lambda: missing(("onnx", "onnxruntime"), "onnx"),
        session=open_session,
    )
)
