"""PyTorch in eager mode, without gradients."""

from __future__ import annotations

from contextlib import AbstractContextManager

from mvt_nas.latency.runtime import RUNTIMES, Runtime, RuntimeJob, Session


def open_session(job: RuntimeJob) -> AbstractContextManager[Session]:
    """Return the session of a job; see :func:`~mvt_nas.latency.torch_sessions.eager_session`."""
    from mvt_nas.latency.torch_sessions import eager_session

    return eager_session(job)


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
