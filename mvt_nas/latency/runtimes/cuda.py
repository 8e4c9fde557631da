"""PyTorch on a GPU of NVIDIA (or AMD, which PyTorch also calls CUDA), without gradients.

Images and weights are on the device before the first call; their transfer is not measured.
Convolutions compute in fp32, not in TF32, PyTorch's default, and cuDNN tries its kernels for the
given sizes and keeps the fastest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy

from mvt_nas._optional import one_line_errors, package_version
from mvt_nas._threads_and_malloc import torch_threads
from mvt_nas.errors import LatencyError
from mvt_nas.latency.runtime import RUNTIMES, Runtime, RuntimeJob, Session
from mvt_nas.latency.runtimes.torch import TorchSession


def trouble() -> str | None:
    """Return the reason why there is no CUDA device, or ``None``."""
    torch_version = package_version("torch") or ""
    # The version tells this without loading torch.
    if torch_version.endswith("+cpu"):
        return (
            f"no CUDA device for torch {torch_version}, which is built for processors only; install"
            " torch for CUDA (pytorch.org)"
        )
    import torch

    if torch.cuda.is_available():
        return None
    return f"no CUDA device; torch {torch_version} finds none"


@contextmanager
def open_session(
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
    import torch

    from mvt_nas.models.synthetic import random_images

    assert job.module is not None
    synchronise = synchronise or torch.cuda.synchronize
    with (
        torch_threads(job.threads),
        torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False),
    ):
        with one_line_errors(f"torch cannot run the network on {device}", LatencyError):
            images = torch.from_numpy(random_images(job.input_shape)).to(device)
            session = TorchSession(deepcopy(job.module).to(device), images, synchronise)
            session()
        yield session


def device_name() -> str:
    """Return the name of the CUDA device."""
    import torch

    return torch.cuda.get_device_name()


RUNTIMES.register("cuda")(
    Runtime(
        name="cuda",
        summary="PyTorch on a CUDA device, eager, inference mode",
        takes="module",
        package="torch",
        trouble=trouble,
        session=open_session,
        accelerator=device_name,
    )
)
