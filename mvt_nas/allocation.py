"""Keeping freed memory for the next tensors, where the C library can be told to.

glibc gives large blocks back to the system when they are freed and asks for them again, page by page, at the next layer. On virtual
machines each page may cost more than computing what is written to it: short trainings were 13 times as slow for that (measured).
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of mallopt(3)
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Tell this process's allocator to keep what is freed; return whether it could be told.

    For worker processes and the command line; a library must not do this to somebody else's process.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(mallopt and mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, _NEVER))
