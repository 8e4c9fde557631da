"""Threads of torch, and settings of malloc in the C library.

On one thread, torch's results are the same to the last digit, whatever the machine and its load.

glibc returns large freed blocks to the system and requests them again, page by page, for the next
layer. On virtual machines a page may cost more than computing its content: short trainings were 13
times as slow (measured). So processes of our own keep what they have freed.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Parameters of mallopt(3).
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4
_NEVER = 2**31 - 1


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Set the number of torch's threads inside the block, and restore it afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch use one thread inside the block, and restore the number afterwards."""
    with torch_threads(1):
        yield


def keep_freed_memory() -> bool:
    """Let malloc keep freed memory in this process; return True if the C library supports it.

    It is for worker processes and the command line. A library must not do this to the process of
    its user.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # Large blocks come from the heap instead of mmap, and the heap is never trimmed.
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, _NEVER))
