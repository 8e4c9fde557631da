"""Sessions of networks that PyTorch runs: in eager mode, compiled, or on a device."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mvt_nas._optional import one_line_errors
from mvt_nas._threads_and_malloc import torch_threads
from mvt_nas.errors import LatencyError
from mvt_nas.latency.runtime import RuntimeJob, Session
from mvt_nas.models.random_images import random_images


class TorchSession:
    """A function of a tensor and its input, on the device of the input.

    Args:
        forward: function from images (B, C, H, W) to logits (B, classes).
        images: images of the timed inferences.
        device: name of the device in PyTorch.
        synchronise: waits until the device is idle, for devices that run asynchronously.
    """

    def __init__(
        self,
        forward: Callable[[Tensor], Tensor],
        images: NDArray[np.float32],
        device: str = "cpu",
        synchronise: Callable[[], None] | None = None,
    ) -> None:
        self._forward = forward
        self._images = torch.from_numpy(images).to(device)
        self._synchronise = synchronise

    def __call__(self) -> None:
        """Run one inference."""
        with torch.inference_mode():
            self._forward(self._images)
            if self._synchronise is not None:
                self._synchronise()

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return the logits, (B, classes), of images (B, C, H, W)."""
        with torch.inference_mode():
            logits = self._forward(torch.from_numpy(images).to(self._images.device))
            out: NDArray[np.float32] = logits.cpu().numpy()
        return out


@contextmanager
def eager_session(job: RuntimeJob) -> Iterator[Session]:
    """Yield a session of a job; PyTorch uses the job's threads until it is closed.

    Raises:
        LatencyError: the network cannot run.
    """
    assert job.module is not None
    with torch_threads(job.threads):
        with one_line_errors("torch cannot run the network", LatencyError):
            session = TorchSession(job.module, random_images(job.input_shape))
            session()
        yield session


@contextmanager
def compiled_session(job: RuntimeJob) -> Iterator[Session]:
    """Compile the network of a job and yield its session.

    PyTorch uses the job's number of threads until the session is closed.

    Raises:
        LatencyError: the network cannot be compiled.
    """
    with torch_threads(job.threads):
        with (
            one_line_errors("torch.compile cannot compile the network", LatencyError),
            warnings.catch_warnings(),
        ):
            # PyTorch warns about its own deprecated calls.
            warnings.simplefilter("ignore", DeprecationWarning)
            compiled = cast("Callable[[Tensor], Tensor]", torch.compile(job.module))
            session = TorchSession(compiled, random_images(job.input_shape))
            session()
        yield session


@contextmanager
def cuda_session(
    job: RuntimeJob, device: str = "cuda", synchronise: Callable[[], None] | None = None
) -> Iterator[Session]:
    """Yield a session of a job on a device; PyTorch uses the job's threads until it is closed.

    Args:
        job: the job; a copy of its network runs on the device.
        device: name of the device in PyTorch.
        synchronise: waits until the device is idle; CUDA's own function by default.

    Raises:
        LatencyError: the network cannot run there.
    """
    assert job.module is not None
    with (
        torch_threads(job.threads),
        torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False),
    ):
        with one_line_errors(f"torch cannot run the network on {device}", LatencyError):
            session = TorchSession(
                deepcopy(job.module).to(device),
                random_images(job.input_shape),
                device,
                synchronise or torch.cuda.synchronize,
            )
            session()
        yield session
