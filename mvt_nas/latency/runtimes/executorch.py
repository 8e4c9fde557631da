"""ExecuTorch on the processor; operators with kernels in XNNPACK are delegated to XNNPACK.

It has one thread pool for the whole process, as large as the machine. Pinning the process to fewer
cores makes the threads of the pool wait for each other (a quarter slower on one core). So the pool
itself is created again with the requested number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mvt_nas._optional import missing, one_line_errors, silence_output
from mvt_nas.errors import LatencyError
from mvt_nas.latency.runtime import RUNTIMES, Runtime, RuntimeJob, Session
from mvt_nas.models.random_images import random_images

if TYPE_CHECKING:
    from torch import nn


@contextmanager
def open_session(job: RuntimeJob) -> Iterator[Session]:
    """Convert the network of a job and yield its session.

    ExecuTorch uses the job's number of threads until the session is closed.

    Raises:
        LatencyError: the network cannot be converted or run, or sessions with another number of
            threads are open.
    """
    from mvt_nas.latency.torch_sessions import TorchSession

    with one_line_errors("executorch cannot run the network", LatencyError):
        assert job.module is not None
        content = program(job.module, job.input_shape)
    with thread_pool(job.threads):
        with one_line_errors("executorch cannot run the network", LatencyError):
            # Emptied on exit: the pool is gone then, and a call would write to freed memory.
            loaded = [_library()._load_for_executorch_from_buffer(content)]
            session = TorchSession(
                lambda images: loaded[0].forward([images])[0],
                random_images(job.input_shape),
            )
            session()
        try:
            yield session
        finally:
            loaded.clear()


def program(
    module: nn.Module,
    input_shape: tuple[int, int, int, int],
    texts: Mapping[str, str] | None = None,
) -> bytes:
    """Return a network as the content of a ``.pte`` file.

    Args:
        module: network in evaluation mode.
        input_shape: shape of the images, (B, C, H, W).
        texts: constant results of further methods of the program, by their names.
    """
    import torch

    with silence_output():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        exported = torch.export.export(module, (torch.zeros(input_shape),))
        lowered = to_edge_transform_and_lower(
            exported, partitioner=[XnnpackPartitioner()], constant_methods=dict(texts or {})
        )
        content: bytes = lowered.to_executorch().buffer
    return content


def load(path: Path) -> Any:
    """Return ExecuTorch's module of a ``.pte`` file; it runs on the current thread pool."""
    return _library()._load_for_executorch(str(path))


@contextmanager
def thread_pool(threads: int) -> Iterator[None]:
    """Let ExecuTorch use ``threads`` threads inside the block, and its previous number afterwards.

    Raises:
        LatencyError: the block is inside another one with another number of threads, whose networks
            would lose their pool.
    """
    library = _library()
    blocks = _open_blocks()
    before = library._threadpool_get_thread_count()
    if blocks and before != threads:
        raise LatencyError(
            f"executorch cannot give {threads} threads to one network while others are open with"
            f" {before}"
        )
    if before != threads:
        library._unsafe_reset_threadpool(threads)
    blocks.append(threads)
    try:
        yield
    finally:
        blocks.pop()
        if before != threads:
            library._unsafe_reset_threadpool(before)


@cache
def _open_blocks() -> list[int]:
    """Return the list of the thread counts of all open blocks of :func:`thread_pool`."""
    return []


def _library() -> Any:
    with one_line_errors("executorch cannot be loaded", LatencyError), silence_output():
        from executorch.extension.pybindings import portable_lib
    return portable_lib


RUNTIMES.register("executorch")(
    Runtime(
        name="executorch",
        summary="ExecuTorch, processor, XNNPACK; converts for 20 s and more",
        takes="module",
        package="executorch",
        trouble=lambda: missing(("executorch",), "executorch"),
        session=open_session,
        reference_model=False,
    )
)
