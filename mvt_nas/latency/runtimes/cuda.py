"""PyTorch on a GPU of NVIDIA (or of AMD, which torch calls by the same name), without gradients.

Images and weights are on the device before the first call; how long they take there is not
measured. Convolutions compute in fp32, not in TF32, which torch would choose, and cuDNN tries its
kernels for the sizes at hand and keeps the fastest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy

from mvt_nas.latency.runtime import RUNTIMES, Runtime, RuntimeJob, Session, package_version, refusal
from mvt_nas.latency.runtimes.torch import TorchSession


def trouble() -> str | None:
    """Return that there is no CUDA device, or ``None``."""
    torch_version = package_version("torch") or ""
    if torch_version.endswith("+cpu"):  # known without loading torch
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
    """Yield a session of a job on a device; torch has the job's number of threads until it is left.

    Args:
        job: the network, which stays where it is; a copy runs on the device.
        device: as torch spells it.
        synchronise: waits until the device has done all it was told to do; without one, CUDA's.

    Raises:
        LatencyError: the network cannot run there.
    """
    import torch

    from mvt_nas._threads_and_malloc import torch_threads
    from mvt_nas.models.synthetic import random_images

    assert job.module is not None
    with (
        torch_threads(job.threads),
        torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False),
    ):
        with refusal(f"torch cannot run the network on {device}"):
            images = torch.from_numpy(random_images(job.input_shape)).to(device)
            session = TorchSession(
                deepcopy(job.module).to(device), images, synchronise or torch.cuda.synchronize
            )
            session()
        yield session


def device_name() -> str:
    """Return the name of the device."""
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
