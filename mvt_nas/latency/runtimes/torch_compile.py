"""PyTorch's compiler: fast kernels after minutes of compilation per network."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mvt_nas._optional import one_line_errors
from mvt_nas._threads_and_malloc import torch_threads
from mvt_nas.errors import LatencyError
from mvt_nas.latency.runtime import RUNTIMES, Runtime, RuntimeJob, Session
from mvt_nas.latency.runtimes.torch import TorchSession

COMPILERS = ("g++", "clang++", "c++", "cl")


def trouble() -> str | None:
    """Return a message that no C++ compiler is on the path, or ``None``."""
    chosen = os.environ.get("CXX")
    candidates = (chosen,) if chosen else COMPILERS
    if any(shutil.which(name) for name in candidates):
        return None
    return (
        f"no C++ compiler ({', '.join(candidates)}) on the path; install g++ or clang++, or set CXX"
    )


@contextmanager
def open_session(job: RuntimeJob) -> Iterator[Session]:
    """Compile the network of a job and yield its session.

    PyTorch uses the job's number of threads until the session is closed.

    Raises:
        LatencyError: the network cannot be compiled.
    """
    import torch
    from torch import Tensor

    from mvt_nas.models.synthetic import random_images

    with torch_threads(job.threads):
        with (
            one_line_errors("torch.compile cannot compile the network", LatencyError),
            warnings.catch_warnings(),
        ):
            # PyTorch warns about its own deprecated calls.
            warnings.simplefilter("ignore", DeprecationWarning)
            # Called like the module that it compiles.
            compiled: Callable[[Tensor], Tensor] = torch.compile(job.module)  # type: ignore[assignment]
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
        reference_model=False,
    )
)
