"""LiteRT (formerly TensorFlow Lite) on the processor with XNNPACK, as in most Android apps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mvt_nas._optional import missing, one_line_errors, silence_output
from mvt_nas.errors import LatencyError
from mvt_nas.latency.runtime import RUNTIMES, Runtime, RuntimeJob, Session
from mvt_nas.models.random_images import random_images

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn


class LiteRtSession:
    """An interpreter and its input."""

    def __init__(self, interpreter: Any, images: NDArray[np.float32]) -> None:
        self._interpreter = interpreter
        self._input = interpreter.get_input_details()[0]["index"]
        self._output = interpreter.get_output_details()[0]["index"]
        interpreter.set_tensor(self._input, images)

    def __call__(self) -> None:
        """Run one inference."""
        self._interpreter.invoke()

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return the logits, (B, classes), of images (B, C, H, W); later calls run on them too."""
        self._interpreter.set_tensor(self._input, images)
        self._interpreter.invoke()
        out: NDArray[np.float32] = self._interpreter.get_tensor(self._output)
        return out


@contextmanager
def open_session(job: RuntimeJob) -> Iterator[Session]:
    """Convert the network of a job and yield its session.

    Raises:
        LatencyError: the network cannot be converted or run.
    """
    with one_line_errors("litert cannot run the network", LatencyError):
        assert job.module is not None
        content = flatbuffer(job.module, job.input_shape)
        session = LiteRtSession(interpreter(content, job.threads), random_images(job.input_shape))
        session()
    yield session


def flatbuffer(module: nn.Module, input_shape: tuple[int, int, int, int]) -> bytes:
    """Return a network as the content of a ``.tflite`` file; its input is (B, C, H, W)."""
    import torch

    with silence_output():
        import litert_torch

        converted = litert_torch.convert(module, (torch.zeros(input_shape),))
        content: bytes = converted.model_content()
    return content


def interpreter(content: bytes, threads: int) -> Any:
    """Return an interpreter that is ready to run; it uses XNNPACK's kernels by default."""
    from ai_edge_litert.interpreter import Interpreter

    result = Interpreter(model_content=content, num_threads=threads)
    result.allocate_tensors()
    return result


RUNTIMES.register("litert")(
    Runtime(
        name="litert",
        summary="LiteRT (TensorFlow Lite), processor, XNNPACK; converts for 10 s and more",
        takes="module",
        package="ai-edge-litert",
        trouble=lambda: missing(("litert_torch", "ai_edge_litert"), "litert"),
        session=open_session,
        reference_model=False,
    )
)
