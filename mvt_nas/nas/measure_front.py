"""Measuring the front of a run for real, where a device that it predicts for is this machine.

Networks are measured a few at a time, each few spread over the whole front and timed against the
reference model, and are written to the run before the next few: an interruption loses no finished
ones, and measuring again resumes with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mvt_nas.errors import LatencyError, MetricError, RunError, listing
from mvt_nas.latency.profile import DeviceProfile
from mvt_nas.metrics.metric import Metric
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.folder import locked
from mvt_nas.nas.runs.latency_records import LatencyRecord, LatencyRecords, read_measured
from mvt_nas.nas.runs.run import Run
from mvt_nas.pareto import evenly_spaced_subset

if TYPE_CHECKING:
    from mvt_nas.latency.timing.settings import TimingSettings

MOST = 20
SECONDS = 1.0
_TOGETHER = 5

Listener = Callable[[int, int], None]
"""Is told how many networks are measured, and of how many."""


@dataclass(frozen=True, slots=True)
class FrontMeasurement:
    """How measuring ended.

    Attributes:
        run: with what was measured.
        interrupted: whether Ctrl-C ended it.
    """

    run: Run
    interrupted: bool


def devices_here(run: Run) -> dict[Metric, DeviceProfile]:
    """Return the devices of a run, by metric, that were measured on a machine like this one and can be measured now."""
    return {metric: profile for metric, profile in run.devices.items() if profile.is_here()}


def measure_front(
    run: Run, *, most: int = MOST, seconds: float = SECONDS, listener: Listener | None = None
) -> FrontMeasurement:
    """Measure a front on all devices of the run that are this machine; what has been measured is left out.

    Args:
        run: whose front it is.
        most: networks, evenly spread along the front, the knee among them.
        seconds: of timing per network; opening them comes on top.
        listener: see :data:`Listener`.

    Raises:
        MetricError: no latency is an objective or a budget of the run.
        LatencyError: none of its devices is this machine, or the runtime fails.
        RunError: another process works on the folder, or it cannot be written.
    """
    work = [
        (metric, profile, group)
        for metric, profile in _checked(run).items()
        for group in _groups(run, metric, most)
    ]
    total, done = sum(len(group) for *_, group in work), 0
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


def _checked(run: Run) -> dict[Metric, DeviceProfile]:
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
    """Return what is still to be measured, a few at a time."""
    front, knee = run.front(), run.knee()
    place = next((index for index, candidate in enumerate(front) if candidate.number == knee), None)
    known = run.measured.get(metric.full_name, {})
    left = [
        front[index]
        for index in evenly_spaced_subset(len(front), most, place)
        if front[index].key not in known
    ]
    count = -(-len(left) // _TOGETHER)
    return [left[start::count] for start in range(count)]


def settings_of_profile(profile: DeviceProfile, num_classes: int, seconds: float) -> TimingSettings:
    """Return how networks are measured so that a profile's predictions are comparable: ``seconds`` of timing for each."""
    from mvt_nas.latency.timing.settings import TimingSettings

    return TimingSettings(
        runtime=str(profile.runtime["name"]),
        threads=profile.threads,
        batch_size=profile.batch_size,
        seconds=seconds,
        num_classes=num_classes,
        dtype=profile.dtype,
    )


def fingerprint_of(profile: DeviceProfile) -> dict[str, Any]:
    """Return what is measured on here, in the profile's runtime, as plain data.

    Raises:
        LatencyError: the runtime cannot be used here.
    """
    from mvt_nas.latency.fingerprint import fingerprint
    from mvt_nas.latency.runtime import usable_runtime

    runtime = usable_runtime(str(profile.runtime["name"]), profile.dtype)
    return fingerprint(runtime, threads=profile.threads, dtype=profile.dtype)


def _measure(
    run: Run, metric: Metric, profile: DeviceProfile, group: Sequence[Candidate], seconds: float
) -> list[LatencyRecord]:
    from mvt_nas.latency.timing.measure import measure

    found = fingerprint_of(profile)
    settings = replace(
        settings_of_profile(profile, run.config.num_classes, seconds),
        task=run.config.task(metric.task),
    )
    timed = measure(
        [(str(candidate.number), run.architecture(candidate.number)) for candidate in group],
        settings,
    )
    return [
        LatencyRecord(
            candidate.key,
            metric.full_name,
            one.timing.ms,
            one.timing.low_ms,
            one.timing.high_ms,
            candidate.scores[metric.full_name],
            one.timing.reference_ms,
            one.timing.warnings,
            found,
        )
        for candidate, one in zip(group, timed, strict=True)
    ]
