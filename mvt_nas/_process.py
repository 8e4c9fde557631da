"""Computing on a given number of threads; on one, results are the same to the last digit whatever the machine and its load.

Keeping freed memory for the next tensors, where the C library can be told to.

glibc gives large blocks back to the system when they are freed and asks for them again, page by
page, at the next layer. On virtual machines each page may cost more than computing what is written
to it: short trainings were 13 times as slow for that (measured).
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Let torch use so many threads inside the block, and what it used before afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch use one thread inside the block, and what it used before afterwards."""
    with torch_threads(1):
        yield


_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of mallopt(3)
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Tell this process's allocator to keep what is freed; return whether it could be told.

    For worker processes and the command line; a library must not do this to somebody else's
    process.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(mallopt and mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, _NEVER))
