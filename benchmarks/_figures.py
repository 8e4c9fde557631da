"""Figures of benchmarks: medians over repeats, and the environment of the measurement."""

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
        name: Name of the measured quantity.
        value: Median over the repeats.
        unit: Unit of the value.
        low: Smallest of the repeats.
        high: Largest of the repeats.
        repeats: Number of repeats.
        note: Circumstances of the measurement, in one line.
    """

    name: str
    value: float
    unit: str
    low: float
    high: float
    repeats: int
    note: str = ""


def seconds(work: Callable[[], object], repeats: int) -> list[float]:
    """Return the wall time of each of several calls in seconds, after one warm-up call."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return times


def figure(name: str, samples: list[float], unit: str, note: str = "") -> Figure:
    """Return the figure of repeated measurements."""
    return Figure(
        name, statistics.median(samples), unit, min(samples), max(samples), len(samples), note
    )


def environment() -> dict[str, str | int]:
    """Return the versions and the hardware that figures depend on."""
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
