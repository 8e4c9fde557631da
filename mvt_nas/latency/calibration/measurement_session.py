"""Long measurements of many networks, round by round; interrupted sessions can be resumed.

Each round is written to a journal as soon as it is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mvt_nas._io import content_hash
from mvt_nas.errors import LatencyError
from mvt_nas.hardware import this_device
from mvt_nas.journal import Journal, read_journal
from mvt_nas.latency.calibration.median_polish import (
    RoundRecord,
    SessionEffects,
    fit_effects,
    plan_rounds,
)
from mvt_nas.latency.model.kernels import Signature
from mvt_nas.latency.runtime import Runtime, RuntimeJob, usable_runtime
from mvt_nas.latency.timing.measure import measure
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.latency.timing.stopwatch import Clock
from mvt_nas.space.architecture import Architecture

KERNEL_RUNS = 12
"""Inferences in the runtime's own profile."""

REFERENCE_KEY = "probe"
"""Key of the reference model among the keys of networks."""

# First estimate of the time to export and open one network.
_OPENING_S = 2.0
_LEAST_S = 0.5

Listener = Callable[[int, int, str], None]
"""``(complete rounds, total rounds, name of the last one)``, called after each round."""


@dataclass(frozen=True, slots=True)
class MeasurementSession:
    """Networks to measure, and the settings of the measurement.

    Attributes:
        networks: Title and architecture of each network.
        settings: Settings of each timing; their seconds are set from ``minutes``.
        minutes: Approximate total duration, exports included, in minutes.
        passes: Number of rounds with each network.
        kernels: Whether the runtime's own profile is read too, where it has one.

    Raises:
        LatencyError: the minutes are not above 0.
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
        """Content hash of everything that affects the measurements, including the machine."""
        return content_hash(
            [
                [architecture.key for _, architecture in self.networks],
                asdict(self.settings),
                self.passes,
                self.kernels,
                this_device(),
            ]
        )


@dataclass(slots=True)
class SessionResults:
    """The measurements of a session so far.

    Attributes:
        records: Latency of each network in each of its rounds, and of the reference model.
        kernels: Milliseconds by kernel of each network, by its key; empty where the runtime has no
            profile.
        reference_ms: Latency of the reference model in each round.
        cpu_per_wall: Processor time per wall time, the largest of all networks.
        complete: Numbers of the complete rounds.
    """

    records: list[RoundRecord] = field(default_factory=list)
    kernels: dict[str, dict[Signature, float]] = field(default_factory=dict)
    reference_ms: list[float] = field(default_factory=list)
    cpu_per_wall: float = 0.0
    complete: set[int] = field(default_factory=set)

    def effects(self) -> SessionEffects:
        """Return the latencies of the networks over all rounds."""
        return fit_effects(self.records)

    def add_round(self, entry: Mapping[str, Any]) -> None:
        """Add the journal entry of a round."""
        number = entry["heat"]
        self.complete.add(number)
        for key, ms in entry["ms"].items():
            self.records.append(RoundRecord(number, key, float(ms)))
        # The reference model is in every round, so it links rounds that share no network.
        if entry["probe_ms"] is not None:
            self.records.append(RoundRecord(number, REFERENCE_KEY, entry["probe_ms"]))
            self.reference_ms.append(entry["probe_ms"])
        self.cpu_per_wall = max(self.cpu_per_wall, entry["cpu_per_wall"])
        for key, rows in entry["kernels"].items():
            self.kernels[key] = {
                Signature(kind, written, inner): ms for kind, written, inner, ms in rows
            }


def run_session(
    session: MeasurementSession,
    *,
    journal: Path | None = None,
    restart: bool = False,
    listener: Listener | None = None,
    clock: Clock | None = None,
) -> SessionResults:
    """Run a session, or resume it; rounds in the ``journal`` are not repeated.

    Args:
        session: what to measure.
        journal: file with the complete rounds; nothing is written without one.
        restart: whether to delete the journal first.
        listener: called after each round.
        clock: source of time; the clocks of this process by default.

    Raises:
        LatencyError: a network cannot be measured, or the journal belongs to another session.
        RunError: the journal cannot be read or written.
    """
    rng = np.random.default_rng(session.settings.seed)
    rounds = plan_rounds(len(session.networks), session.passes, rng)
    results = SessionResults()
    runner = _Runner(session, rounds, results, listener, clock or Clock())
    if journal is None:
        runner.run(lambda entry: None)
        return results
    journal.parent.mkdir(parents=True, exist_ok=True)
    if restart:
        journal.unlink(missing_ok=True)
    intact = _restore(session, journal, results)
    with closing(Journal(journal, intact, "the same command resumes")) as log:
        if not intact:
            log.append({"campaign": session.key})

        def write(entry: Mapping[str, Any]) -> None:
            log.append(entry)
            log.sync()

        runner.run(write)
    return results


def _restore(session: MeasurementSession, journal: Path, results: SessionResults) -> int:
    """Add the rounds in a journal to the results; return the length of its intact part."""
    entries: list[Any] = []
    intact = read_journal(journal, entries.append, "delete it to measure again")
    if entries and entries[0].get("campaign") != session.key:
        raise LatencyError(
            f"{journal}: was started with other settings or on another machine; --restart measures"
            " again"
        )
    for entry in entries[1:]:
        results.add_round(entry)
    return intact


@dataclass(frozen=True, slots=True)
class _Runner:
    """Runs the rounds of a session that are not complete."""

    session: MeasurementSession
    rounds: Sequence[tuple[int, ...]]
    results: SessionResults
    listener: Listener | None
    clock: Clock

    def run(self, write: Callable[[Mapping[str, Any]], None]) -> None:
        """Run the rounds, and pass the journal entry of each to ``write``."""
        share_s = 60 * self.session.minutes / len(self.rounds)
        # Time to export and open the networks of a round: that of the previous round.
        opening_s: float | None = None
        for number, members in enumerate(self.rounds):
            if number not in self.results.complete:
                start_s = self.clock.wall_s()
                expected_s = _OPENING_S * len(members) if opening_s is None else opening_s
                timing_s = max(share_s - expected_s, _LEAST_S * len(members))
                entry, timed_s = self._round(number, timing_s)
                opening_s = self.clock.wall_s() - start_s - timed_s
                write(entry)
                self.results.add_round(entry)
            if self.listener:
                self.listener(len(self.results.complete), len(self.rounds), f"round {number + 1}")

    def _round(self, number: int, timing_s: float) -> tuple[dict[str, Any], float]:
        """Return the journal entry of a round, and the seconds that its timing took."""
        members = self.rounds[number]
        networks = [self.session.networks[index] for index in members]
        settings = replace(
            self.session.settings,
            seconds=timing_s / len(members),
            seed=self.session.settings.seed + number,
        )
        kernels: dict[str, list[list[Any]]] = {}
        timing_start_s = 0.0

        def on_jobs(jobs: Sequence[RuntimeJob]) -> None:
            nonlocal timing_start_s
            runtime = self._profiled_runtime(number)
            if runtime is not None:
                for (_, architecture), job in zip(networks, jobs, strict=True):
                    kernels[architecture.key] = _kernel_rows(runtime, job)
            timing_start_s = self.clock.wall_s()

        measured = measure(networks, settings, on_jobs=on_jobs, clock=self.clock)
        timed_s = self.clock.wall_s() - timing_start_s
        entry = {
            "heat": number,
            "ms": {
                architecture.key: one.timing.ms
                for (_, architecture), one in zip(networks, measured, strict=True)
            },
            "probe_ms": measured[0].timing.reference_ms,
            "cpu_per_wall": max(one.timing.cpu_per_wall or 0.0 for one in measured),
            "kernels": kernels,
        }
        return entry, timed_s

    def _profiled_runtime(self, number: int) -> Runtime | None:
        """Return the runtime if its own profile is read in a round, else ``None``.

        The rounds of the first pass contain each network once.
        """
        settings = self.session.settings
        runtime = usable_runtime(settings.runtime, settings.dtype)
        in_first_pass = number < len(self.rounds) // self.session.passes
        wanted = self.session.kernels and in_first_pass and settings.dtype == "fp32"
        return runtime if wanted and runtime.kernel_times is not None else None


def _kernel_rows(runtime: Runtime, job: RuntimeJob) -> list[list[Any]]:
    """Return class, written elements, inner size and milliseconds of each kernel."""
    assert runtime.kernel_times is not None
    times = runtime.kernel_times(job, KERNEL_RUNS)
    return [[key.kind, key.written, key.inner, ms] for key, ms in times.items()]
