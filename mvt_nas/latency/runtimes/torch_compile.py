"""PyTorch's compiler: fast kernels, for minutes of compilation per network."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mvt_nas.latency.runtime import RUNTIMES, Runtime, RuntimeJob, Session, refusal
from mvt_nas.latency.runtimes.torch import TorchSession

COMPILERS = ("g++", "clang++", "c++", "cl")


def trouble() -> str | None:
    """Return that no C++ compiler is to be found, or ``None``."""
    named = os.environ.get("CXX")
    if any(shutil.which(name) for name in ((named,) if named else COMPILERS)):
        return None
    return (
        f"no C++ compiler ({named or ', '.join(COMPILERS)}) on the path; install g++ or clang++, or"
        " set CXX"
    )


@contextmanager
def open_session(job: RuntimeJob) -> Iterator[Session]:
    """Yield a session of a job, after compiling; torch has the job's number of threads until it is left.

    Raises:
        LatencyError: the network cannot be compiled.
    """
    import torch
    from torch import Tensor

    from mvt_nas._threads_and_malloc import torch_threads
    from mvt_nas.models.synthetic import random_images

    with torch_threads(job.threads):
        with refusal("torch.compile cannot compile the network"), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of torch about itself
            compiled: Callable[[Tensor], Tensor] = torch.compile(job.module)  # type: ignore[assignment]  # called like the module it compiles
            session = TorchSession(compiled, torch.from_numpy(random_images(job.input_shape)))
            session()
        yield session


RUNTIMES.register("torch_compile")(
    Runtime(
        name="torch_compile",
        summary="PyTorch, torch.compile; compiles for minutes",
        takes="module",
        package="torch",
        trouble=trouble,
        session=open_session,
        probe=False,
    )
)
