"""PyTorch on a GPU of NVIDIA (or AMD, which PyTorch also calls CUDA), without gradients.

Images and weights are on the device before the first call; their transfer is not measured.
Convolutions compute in fp32, not in TF32, PyTorch's default, and cuDNN tries its kernels for the
given sizes and keeps the fastest.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from mvt_nas._optional import package_version
from mvt_nas.latency.runtime import RUNTIMES, Runtime, RuntimeJob, Session


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


def open_session(job: RuntimeJob) -> AbstractContextManager[Session]:
    """Return the session of a job; see :func:`~mvt_nas.latency.torch_sessions.cuda_session`."""
    from mvt_nas.latency.torch_sessions import cuda_session

    return cuda_session(job)


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
