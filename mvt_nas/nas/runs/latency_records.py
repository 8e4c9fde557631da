"""Latencies of a run's candidates as they were measured: ``measured.jsonl``, one line per candidate and device (see ``mvt_nas/journal.py``)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from mvt_nas.journal import Journal, read_journal

NAME = "measured.jsonl"


@dataclass(frozen=True, slots=True)
class LatencyRecord:
    """One candidate's latency on one device.

    Attributes:
        key: content hash of the architecture.
        metric: ``latency_ms@DEVICE``.
        ms: the figure, in milliseconds.
        low_ms: lower end of its 95 % interval.
        high_ms: upper end.
        predicted_ms: what the device's profile predicts.
        probe_ms: the probe's figure in the same rounds; ``None`` without a probe.
        warnings: what makes the figure doubtful.
        fingerprint: device, runtime and packages.
    """

    key: str
    metric: str
    ms: float
    low_ms: float
    high_ms: float
    predicted_ms: float
    probe_ms: float | None = None
    warnings: tuple[str, ...] = ()
    fingerprint: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the measurement as plain data."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "warnings": list(self.warnings)
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> LatencyRecord:
        """Return the measurement in plain data.

        Raises:
            ValueError: a number is not above zero.
            KeyError: something misses.
        """
        ms, low_ms, high_ms, predicted_ms = (
            _above_zero(float(data[name])) for name in ("ms", "low_ms", "high_ms", "predicted_ms")
        )
        probe_ms = None if data["probe_ms"] is None else _above_zero(float(data["probe_ms"]))
        key, metric, warnings = str(data["key"]), str(data["metric"]), tuple(data["warnings"])
        return LatencyRecord(
            key,
            metric,
            ms,
            low_ms,
            high_ms,
            predicted_ms,
            probe_ms,
            warnings,
            dict(data["fingerprint"]),
        )


Measurements = Mapping[str, Mapping[str, LatencyRecord]]
"""Metric to key of the architecture to measurement, the last where there are several."""


@dataclass(frozen=True, slots=True)
class LatencyAgreement:
    """How what was measured compares with what was predicted.

    Attributes:
        n: networks.
        factor: median of measured by predicted.
        rest: median deviation from the prediction times the factor, as a share.
    """

    n: int
    factor: float
    rest: float


class LatencyRecords:
    """The open file of measurements.

    Args:
        folder: of the run.

    Raises:
        RunError: it is damaged or cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        _, intact = _read(folder)
        self._log = Journal(folder / NAME, intact, "measuring again goes on")

    def add(self, measurements: Sequence[LatencyRecord]) -> None:
        """Append measurements, and wait until all are on the disk."""
        for measurement in measurements:
            self._log.append(measurement.to_dict())
        self._log.sync()

    def close(self) -> None:
        """Close the file."""
        self._log.close()


def read_measured(folder: Path) -> Measurements:
    """Return what was measured of the run in a folder.

    Raises:
        RunError: a line other than the last is damaged.
    """
    return _read(folder)[0]


def latency_agreement(measured: Mapping[str, LatencyRecord]) -> LatencyAgreement | None:
    """Return how the measurements on one device compare with the predictions; ``None`` where there are none."""
    ratios = [one.ms / one.predicted_ms for one in measured.values()]
    if not ratios:
        return None
    factor = median(ratios)
    return LatencyAgreement(
        len(ratios), factor, median(abs(ratio / factor - 1) for ratio in ratios)
    )


def _above_zero(ms: float) -> float:
    if not 0 < ms < math.inf:
        raise ValueError(f"{ms} milliseconds")
    return ms


def _read(folder: Path) -> tuple[dict[str, dict[str, LatencyRecord]], int]:
    found: dict[str, dict[str, LatencyRecord]] = {}

    def take(record: Any) -> None:
        one = LatencyRecord.from_dict(record)
        found.setdefault(one.metric, {})[one.key] = one

    intact = read_journal(folder / NAME, take, "remove the file and measure again")
    return found, intact
