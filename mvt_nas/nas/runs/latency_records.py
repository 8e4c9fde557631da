"""Measured latencies of a run: ``measured.jsonl``, one line per candidate and device.

``mvt_nas/journal.py`` describes the guarantees for lines.
"""

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
        key: Content hash of the architecture.
        metric: ``latency_ms@DEVICE``.
        ms: Measured latency, in milliseconds.
        low_ms: Lower end of its 95 % interval.
        high_ms: Upper end of its 95 % interval.
        predicted_ms: Latency predicted by the device's profile.
        probe_ms: Latency of the reference model in the same rounds; None without one.
        warnings: Reasons to doubt the measurement.
        fingerprint: Device, runtime and packages.
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
        """Return the measurement from plain data.

        Raises:
            ValueError: A number is not above zero.
            KeyError: A key is missing.
        """
        probe_ms = data["probe_ms"]
        return LatencyRecord(
            key=str(data["key"]),
            metric=str(data["metric"]),
            ms=_above_zero(float(data["ms"])),
            low_ms=_above_zero(float(data["low_ms"])),
            high_ms=_above_zero(float(data["high_ms"])),
            predicted_ms=_above_zero(float(data["predicted_ms"])),
            probe_ms=None if probe_ms is None else _above_zero(float(probe_ms)),
            warnings=tuple(data["warnings"]),
            fingerprint=dict(data["fingerprint"]),
        )


Measurements = Mapping[str, Mapping[str, LatencyRecord]]
"""Measurements by metric and key of the architecture; the last one where there are several."""


@dataclass(frozen=True, slots=True)
class LatencyAgreement:
    """Agreement of measured with predicted latencies.

    Attributes:
        n: Number of networks.
        factor: Median of the ratios of measured to predicted latencies.
        rest: Median relative deviation from the prediction times the factor.
    """

    n: int
    factor: float
    rest: float


class LatencyRecords:
    """Open file of measurements.

    Args:
        folder: Run folder.

    Raises:
        RunError: The file is damaged or cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        _, intact = _read(folder)
        self._log = Journal(folder / NAME, intact, "measuring again continues")

    def add(self, measurements: Sequence[LatencyRecord]) -> None:
        """Append measurements, and flush them to disk."""
        for measurement in measurements:
            self._log.append(measurement.to_dict())
        self._log.sync()

    def close(self) -> None:
        """Close the file."""
        self._log.close()


def read_measured(folder: Path) -> Measurements:
    """Return the measurements of the run in a folder.

    Raises:
        RunError: A line other than the last is damaged.
    """
    return _read(folder)[0]


def latency_agreement(measured: Mapping[str, LatencyRecord]) -> LatencyAgreement | None:
    """Return the agreement of the measurements on one device with the predictions, if any."""
    ratios = [record.ms / record.predicted_ms for record in measured.values()]
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
    """Return the measurements of a folder, and the number of intact bytes of the file."""
    measurements: dict[str, dict[str, LatencyRecord]] = {}

    def add(data: Any) -> None:
        record = LatencyRecord.from_dict(data)
        measurements.setdefault(record.metric, {})[record.key] = record

    intact = read_journal(folder / NAME, add, "remove the file and measure again")
    return measurements, intact
