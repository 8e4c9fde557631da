"""Computing on a given number of threads; on one, results are the same to the last digit whatever the machine and its load."""

from __future__ import annotations

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
