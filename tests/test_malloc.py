"""Freed memory is kept by this process, and by no other."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mvt_nas._threads_and_malloc import keep_freed_memory

_FAULTS = """
import resource, sys
import torch
from mvt_nas._threads_and_malloc import keep_freed_memory
torch.set_num_threads(1)
if sys.argv[1] == "keep":
    keep_freed_memory()
for _ in range(12):
    torch.empty(10 * 2**20).fill_(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.empty(10 * 2**20).fill_(1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False


def test_a_library_without_mallopt_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("mvt_nas._threads_and_malloc.ctypes.CDLL", lambda name: object())
    assert keep_freed_memory() is False


def test_freed_memory_is_not_requested_again() -> None:
    """Allocate and free 40 MB ten times: 100,000 page faults with pages of 4 KiB, or none."""
    faults = {}
    for mode in ("keep", "leave"):
        done = subprocess.run(
            [sys.executable, "-c", _FAULTS, mode], capture_output=True, text=True, check=True
        )
        faults[mode] = int(done.stdout)
    expected = (
        faults["leave"] // 10
        if sys.platform.startswith("linux") and keep_freed_memory()
        else faults["leave"]
    )
    assert faults["keep"] <= expected
