"""Measuring: medians over repeats, and the environment in which they were taken."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import mvt_nas
from mvt_nas.hardware import processor_name

_PACKAGES = ("numpy", "torch", "optuna", "fvcore", "thop")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    Attributes:
        name: what was measured.
        value: the median over the repeats.
        unit: of the value.
        low: the smallest of the repeats.
        high: the largest.
        repeats: how many there were.
        note: in one line, under which circumstances.
    """

    name: str
    value: float
    unit: str
    low: float
    high: float
    repeats: int
    note: str = ""


def seconds(work: Callable[[], object], repeats: int) -> list[float]:
    """Return the wall-clock seconds of each of several calls, after one that does not count."""
    work()
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return found


def figure(name: str, samples: list[float], unit: str, note: str = "") -> Figure:
    """Return the figure of some samples."""
    return Figure(
        name, statistics.median(samples), unit, min(samples), max(samples), len(samples), note
    )


def environment() -> dict[str, str | int]:
    """Return what a figure depends on beside the code."""
    found: dict[str, str | int] = {
        "mvt-nas": mvt_nas.__version__,
        "python": platform.python_version(),
    }
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found | {
        "system": platform.platform(),
        "processor": processor_name(),
        "cores": os.cpu_count() or 1,
    }
