"""PyTorch in eager mode, without gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mvt_nas._optional import one_line_errors
from mvt_nas._threads_and_malloc import torch_threads
from mvt_nas.errors import LatencyError
from mvt_nas.latency.runtime import RUNTIMES, Runtime, RuntimeJob, Session

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import torch
    from numpy.typing import NDArray


class TorchSession:
    """A function of a tensor and its input, on the device of the input.

    Args:
        forward: function from images (B, C, H, W) to logits (B, classes).
        images: images of the timed inferences.
        synchronise: waits until the device is idle, for devices that run asynchronously.
    """

    def __init__(
        self,
        forward: Callable[[torch.Tensor], torch.Tensor],
        images: torch.Tensor,
        synchronise: Callable[[], None] | None = None,
    ) -> None:
        self._forward = forward
        self._images = images
        self._synchronise = synchronise

    def __call__(self) -> None:
        """Run one inference."""
        import torch

        with torch.inference_mode():
            self._forward(self._images)
            if self._synchronise is not None:
                self._synchronise()

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return the logits, (B, classes), of images (B, C, H, W)."""
        import torch

        with torch.inference_mode():
            logits = self._forward(torch.from_numpy(images).to(self._images.device))
            out: NDArray[np.float32] = logits.cpu().numpy()
        return out


@contextmanager
def open_session(job: RuntimeJob) -> Iterator[Session]:
    """Yield a session of a job; PyTorch uses the job's threads until it is closed.

    Raises:
        LatencyError: the network cannot run.
    """
    import torch

    from mvt_nas.models.synthetic import random_images

    assert job.module is not None
    with torch_threads(job.threads):
        with one_line_errors("torch cannot run the network", LatencyError):
            session = TorchSession(job.module, torch.from_numpy(random_images(job.input_shape)))
            session()
        yield session


RUNTIMES.register("torch")(
    Runtime(
        name="torch",
        summary="PyTorch, eager, inference mode",
        takes="module",
        package="torch",
        trouble=lambda: None,
        session=open_session,
    )
)
