"""Latency measurement of the front of a run, for the devices that are this machine.

Networks are measured in small groups, each spread over the whole front and timed against the
reference model. Each group is written to the run before the next one: an interruption loses no
finished measurements, and measuring again resumes with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from mvt_nas.errors import LatencyError, MetricError, RunError, listing
from mvt_nas.latency.fingerprint import fingerprint
from mvt_nas.latency.latency_profile import LatencyProfile
from mvt_nas.latency.runtime import usable_runtime
from mvt_nas.latency.timing.measure import measure
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.metrics.metric import Metric
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.folder import locked
from mvt_nas.nas.runs.latency_records import LatencyRecord, LatencyRecords, read_measured
from mvt_nas.nas.runs.run import Run
from mvt_nas.pareto import evenly_spaced_subset

MOST = 20
"""Default number of networks."""

SECONDS = 1.0
"""Default timing per network, in seconds."""

_GROUP_SIZE = 5

Listener = Callable[[int, int], None]
"""Callback for progress: number of measured networks, and number of all."""


@dataclass(frozen=True, slots=True)
class FrontMeasurement:
    """The result of measuring a front.

    Attributes:
        run: Run with the measurements.
        interrupted: True if Ctrl-C ended the measurement.
    """

    run: Run
    interrupted: bool


def devices_here(run: Run) -> dict[Metric, LatencyProfile]:
    """Return the devices of a run that are this machine, by metric."""
    return {metric: profile for metric, profile in run.devices.items() if profile.is_here()}


def measure_front(
    run: Run, *, most: int = MOST, seconds: float = SECONDS, listener: Listener | None = None
) -> FrontMeasurement:
    """Measure a front on all devices of the run that are this machine, without measured networks.

    Args:
        run: Run.
        most: Number of networks, evenly spread along the front and including the knee.
        seconds: Timing per network; loading them takes additional time.
        listener: See :data:`Listener`.

    Raises:
        MetricError: No latency is an objective or a budget of the run.
        LatencyError: None of its devices is this machine, or the runtime fails.
        RunError: Another process works on the folder, or it cannot be written.
    """
    work = []
    for metric, profile in _measurable_devices(run).items():
        work += [(metric, profile, group) for group in _groups(run, metric, most)]
    total = sum(len(group) for *_, group in work)
    done = 0
    interrupted = False
    if work:
        with locked(run.folder), closing(LatencyRecords(run.folder)) as store:
            try:
                for metric, profile, group in work:
                    store.add(_measure(run, metric, profile, group, seconds))
                    done += len(group)
                    if listener:
                        listener(done, total)
            except KeyboardInterrupt:
                interrupted = True
    return FrontMeasurement(replace(run, measured=read_measured(run.folder)), interrupted)


def _measurable_devices(run: Run) -> dict[Metric, LatencyProfile]:
    """Return the devices of a run that are this machine; raise if nothing can be measured."""
    if not run.devices:
        raise MetricError(
            f"{run.folder}: nothing to measure; no latency is among its objectives and budgets"
        )
    here = devices_here(run)
    if not here:
        names = listing(profile.name for profile in run.devices.values())
        raise LatencyError(
            f"{run.folder}: nothing to measure here; this machine and its runtimes are none of its"
            f" devices ({names})"
        )
    if not run.candidates:
        raise RunError(f"{run.folder}: nothing to measure; there are no candidates")
    return here


def _groups(run: Run, metric: Metric, most: int) -> list[list[Candidate]]:
    """Return groups of the candidates to measure, each spread over the whole front."""
    front = run.front()
    numbers = [candidate.number for candidate in front]
    knee = run.knee()
    knee_index = numbers.index(knee) if knee in numbers else None
    known = run.measured.get(metric.full_name, {})
    selected = [front[index] for index in evenly_spaced_subset(len(front), most, knee_index)]
    unmeasured = [candidate for candidate in selected if candidate.key not in known]
    # Round up. Every count-th candidate belongs to a group.
    count = -(-len(unmeasured) // _GROUP_SIZE)
    return [unmeasured[start::count] for start in range(count)]


def settings_of_profile(
    profile: LatencyProfile, num_classes: int, seconds: float
) -> TimingSettings:
    """Return the timing settings under which measurements are comparable with a profile."""
    return TimingSettings(
        runtime=str(profile.runtime["name"]),
        threads=profile.threads,
        batch_size=profile.batch_size,
        seconds=seconds,
        num_classes=num_classes,
        dtype=profile.dtype,
    )


def fingerprint_of(profile: LatencyProfile) -> dict[str, Any]:
    """Return the fingerprint of this machine with the profile's runtime, as plain data.

    Raises:
        LatencyError: The runtime cannot be used here.
    """
    runtime = usable_runtime(str(profile.runtime["name"]), profile.dtype)
    return fingerprint(runtime, threads=profile.threads, dtype=profile.dtype)


def _measure(
    run: Run, metric: Metric, profile: LatencyProfile, group: Sequence[Candidate], seconds: float
) -> list[LatencyRecord]:
    """Return the measured latencies of a group of candidates on one device."""
    here = fingerprint_of(profile)
    settings = replace(
        settings_of_profile(profile, run.config.num_classes, seconds),
        task=run.config.task(metric.task),
    )
    networks = [(str(candidate.number), run.architecture(candidate.number)) for candidate in group]
    records = []
    for candidate, result in zip(group, measure(networks, settings), strict=True):
        timing = result.timing
        records.append(
            LatencyRecord(
                key=candidate.key,
                metric=metric.full_name,
                ms=timing.ms,
                low_ms=timing.low_ms,
                high_ms=timing.high_ms,
                predicted_ms=candidate.scores[metric.full_name],
                probe_ms=timing.reference_ms,
                warnings=timing.warnings,
                fingerprint=here,
            )
        )
    return records
