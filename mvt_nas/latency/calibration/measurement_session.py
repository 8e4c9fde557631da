"""A long measurement of many networks: heat after heat, each one kept as soon as it is done, so that it can be interrupted."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mvt_nas.errors import LatencyError
from mvt_nas.journal import Journal, read_journal
from mvt_nas.latency.calibration.median_polish import (
    HeatRecord,
    SessionEffects,
    fit_effects,
    plan_rounds,
)
from mvt_nas.latency.fingerprint import this_device
from mvt_nas.latency.model.kernels import Signature
from mvt_nas.latency.runtime import Runtime, RuntimeJob, usable_runtime
from mvt_nas.latency.timing.measure import measure
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.space.architecture import Architecture

KERNEL_RUNS = 12
PROBE = "probe"
"""The probe's place among the keys of networks."""

_OPENING_S = 2.0  # first guess of what exporting and opening one network takes
_LEAST_S = 0.5

Listener = Callable[[int, int, str], None]
"""``(heats done, heats in all, what was last)``."""


@dataclass(frozen=True, slots=True)
class MeasurementSession:
    """What is to be measured.

    Attributes:
        networks: title and architecture of each.
        settings: how; the seconds are set from ``minutes``.
        minutes: for everything, exports included, about.
        passes: how often each network is measured, in other company each time.
        kernels: whether the runtime's own profile is read too, where it has one.

    Raises:
        LatencyError: minutes that are not above 0.
    """

    networks: tuple[tuple[str, Architecture], ...]
    settings: TimingSettings
    minutes: float
    passes: int = 2
    kernels: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.minutes < float("inf"):
            raise LatencyError(f"minutes = {self.minutes} is not allowed; a number above 0")

    @property
    def key(self) -> str:
        """Content hash of what decides the measurements, the machine among it."""
        what = [
            [architecture.key for _, architecture in self.networks],
            asdict(self.settings),
            self.passes,
            self.kernels,
            this_device(),
        ]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(slots=True)
class SessionResults:
    """What was measured.

    Attributes:
        entries: latency of each network in each of its heats.
        kernels: milliseconds by kernel of each network, by its key; empty where the runtime tells
            none.
        probe_ms: the probe's latency in each heat.
        cpu_per_wall: processor time per time passed, the largest of any network.
        done: numbers of the heats that are done.
    """

    entries: list[HeatRecord] = field(default_factory=list)
    kernels: dict[str, dict[Signature, float]] = field(default_factory=dict)
    probe_ms: list[float] = field(default_factory=list)
    cpu_per_wall: float = 0.0
    done: set[int] = field(default_factory=set)

    def tied(self) -> SessionEffects:
        """Return the latencies that the heats agree on."""
        return fit_effects(self.entries)

    def take(self, record: Mapping[str, Any]) -> None:
        """Add the record of a heat."""
        self.done.add(record["heat"])
        self.entries += [
            HeatRecord(record["heat"], key, float(ms)) for key, ms in record["ms"].items()
        ]
        if (
            record["probe_ms"] is not None
        ):  # it is in every heat, so that it ties them even where no network is in two
            self.entries.append(HeatRecord(record["heat"], PROBE, record["probe_ms"]))
            self.probe_ms.append(record["probe_ms"])
        self.cpu_per_wall = max(self.cpu_per_wall, record["cpu_per_wall"])
        for key, rows in record["kernels"].items():
            self.kernels[key] = {
                Signature(kind, written, inner): ms for kind, written, inner, ms in rows
            }


def run_session(
    campaign: MeasurementSession,
    *,
    journal: Path | None = None,
    restart: bool = False,
    listener: Listener | None = None,
) -> SessionResults:
    """Return the measurements of a campaign; those that an interrupted one has left in the ``journal`` are not repeated.

    Raises:
        LatencyError: a network cannot be measured, or the journal belongs to another campaign.
        RunError: the journal cannot be read or written.
    """
    heats = plan_rounds(
        len(campaign.networks), campaign.passes, np.random.default_rng(campaign.settings.seed)
    )
    results = SessionResults()
    if journal is None:
        _run(campaign, heats, results, lambda record: None, listener)
        return results
    journal.parent.mkdir(parents=True, exist_ok=True)
    if restart:
        journal.unlink(missing_ok=True)
    intact = _restore(campaign, journal, results)
    with closing(Journal(journal, intact, "the same command goes on")) as log:
        if not intact:
            log.append({"campaign": campaign.key})

        def keep(record: Mapping[str, Any]) -> None:
            log.append(record)
            log.sync()

        _run(campaign, heats, results, keep, listener)
    return results


def _restore(campaign: MeasurementSession, journal: Path, results: SessionResults) -> int:
    records: list[Any] = []
    intact = read_journal(journal, records.append, "delete it to measure anew")
    if records and records[0].get("campaign") != campaign.key:
        raise LatencyError(
            f"{journal}: was begun with other settings or on another machine; --restart measures"
            " anew"
        )
    for record in records[1:]:
        results.take(record)
    return intact


def _run(
    campaign: MeasurementSession,
    heats: Sequence[tuple[int, ...]],
    results: SessionResults,
    keep: Callable[[Mapping[str, Any]], None],
    listener: Listener | None,
) -> None:
    share_s = 60 * campaign.minutes / len(heats)
    opening_s: float | None = None
    for number, members in enumerate(heats):
        if number not in results.done:
            began = time.monotonic()
            timing_s = max(
                share_s - (opening_s or _OPENING_S * len(members)), _LEAST_S * len(members)
            )
            record, took_s = _heat(
                campaign,
                number,
                members,
                timing_s,
                with_kernels=number < len(heats) // campaign.passes,
            )
            opening_s = time.monotonic() - began - took_s
            keep(record)
            results.take(record)
        if listener:
            listener(len(results.done), len(heats), f"heat {number + 1}")


def _heat(
    campaign: MeasurementSession,
    number: int,
    members: Sequence[int],
    timing_s: float,
    *,
    with_kernels: bool,
) -> tuple[dict[str, Any], float]:
    """Return the record of a heat, and the seconds that its race took."""
    networks = [campaign.networks[index] for index in members]
    runtime = usable_runtime(campaign.settings.runtime, campaign.settings.dtype)
    kernels: dict[str, list[list[Any]]] = {}
    started: list[float] = []

    def on_jobs(jobs: Sequence[RuntimeJob]) -> None:
        if (
            with_kernels
            and campaign.kernels
            and runtime.kernel_times is not None
            and campaign.settings.dtype == "fp32"
        ):
            for (_, architecture), job in zip(networks, jobs, strict=True):
                kernels[architecture.key] = _kernel_rows(runtime, job)
        started.append(time.monotonic())

    settings = replace(
        campaign.settings, seconds=timing_s / len(members), seed=campaign.settings.seed + number
    )
    measured = measure(networks, settings, on_jobs=on_jobs)
    record = {
        "heat": number,
        "ms": {
            architecture.key: one.timing.ms
            for (_, architecture), one in zip(networks, measured, strict=True)
        },
        "probe_ms": measured[0].timing.probe_ms,
        "cpu_per_wall": max(one.timing.cpu_per_wall or 0.0 for one in measured),
        "kernels": kernels,
    }
    return record, time.monotonic() - started[0]


def _kernel_rows(runtime: Runtime, job: RuntimeJob) -> list[list[Any]]:
    assert runtime.kernel_times is not None
    return [
        [s.kind, s.written, s.inner, ms] for s, ms in runtime.kernel_times(job, KERNEL_RUNS).items()
    ]
