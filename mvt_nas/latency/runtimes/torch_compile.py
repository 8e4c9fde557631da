"""PyTorch's compiler: fast kernels after minutes of compilation per network."""

from __future__ import annotations

import os
import shutil
from contextlib import AbstractContextManager

from mvt_nas.latency.runtime import RUNTIMES, Runtime, RuntimeJob, Session

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


def open_session(job: RuntimeJob) -> AbstractContextManager[Session]:
    """Return the session of a job; see :func:`~mvt_nas.latency.torch_sessions.compiled_session`."""
    from mvt_nas.latency.torch_sessions import compiled_session

    return compiled_session(job)


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
