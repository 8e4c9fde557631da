"""Interleaved timing of several functions, reliable on a machine that other programs use too.

A shared machine has states: the same call takes 20 ms for a while and 30 ms for another. Blocks of
calls, one network after the other, compare states. Here each round calls every candidate and the
reference model once, in a new random order, so that all see the same states. The latency is the
10th percentile over the rounds; the ratio of two latencies is steadier than each of them.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from mvt_nas.errors import LatencyError
from mvt_nas.latency.statistics import bootstrap_interval, low_quantile

Candidate: TypeAlias = Callable[[], float | None]
"""A function to time; it returns its own milliseconds, or ``None`` to be timed by the clock."""

# Neighbouring calls are alike. If timing stopped as soon as the first rounds agree, it would
# measure a single state of the machine.
LEAST_ROUNDS = 20
LEAST_SHARE_OF_TIME = 0.25
WARM_UP_SHARE_OF_TIME = 0.2
ONE_THREAD_CPU_PER_WALL = 1.15
UNDISTURBED_CPU_PER_WALL = 0.85


@dataclass(frozen=True, slots=True)
class Clock:
    """A source of time; both functions return seconds.

    Attributes:
        wall_s: Wall time.
        cpu_s: Processor time of this process, summed over its threads.
    """

    wall_s: Callable[[], float] = time.perf_counter
    cpu_s: Callable[[], float] = time.process_time


@dataclass(frozen=True, slots=True)
class Timing:
    """Latency statistics of one candidate.

    Attributes:
        ms: The latency: the 10th percentile of the calls, in milliseconds.
        low_ms: Lower end of the 95 % bootstrap interval of the latency.
        high_ms: Upper end of the interval.
        median_ms: The median call.
        min_ms: The fastest call.
        rounds: Number of timed calls.
        cpu_per_wall: Processor time per wall time during the candidate's own calls, which is about
            the number of busy threads; ``None`` where the candidate returns its own milliseconds.
        reference_ms: Latency of the reference model in the same rounds; ``None`` without one.
        warnings: Reasons to doubt the latency, one sentence each.
    """

    ms: float
    low_ms: float
    high_ms: float
    median_ms: float
    min_ms: float
    rounds: int
    cpu_per_wall: float | None
    reference_ms: float | None
    warnings: tuple[str, ...]

    @property
    def relative_width(self) -> float:
        """Width of the interval as a share of the latency."""
        return (self.high_ms - self.low_ms) / self.ms


@dataclass(slots=True)
class _Calls:
    """The timed calls of one candidate so far."""

    run: Candidate
    clock: Clock
    ms: list[float] = field(default_factory=list)
    wall_s: float = 0.0
    cpu_s: float = 0.0

    def time_call(self) -> None:
        # The wall clock is read innermost: the time between its two readings is the result.
        cpu_start_s = self.clock.cpu_s()
        wall_start_s = self.clock.wall_s()
        own_ms = self.run()
        wall_s = self.clock.wall_s() - wall_start_s
        cpu_s = self.clock.cpu_s() - cpu_start_s
        if own_ms is not None:
            self.ms.append(own_ms)
            return
        self.wall_s += wall_s
        self.cpu_s += cpu_s
        self.ms.append(1000 * wall_s)

    def is_tight(self, relative_width: float) -> bool:
        low, high = bootstrap_interval(self.ms)
        return high - low < relative_width * low_quantile(self.ms)


def interleaved_timing(
    candidates: Sequence[Candidate],
    reference: Candidate | None = None,
    *,
    seconds: float,
    threads: int = 1,
    relative_width: float = 0.02,
    warmups: int = 3,
    seed: int = 0,
    clock: Clock | None = None,
) -> list[Timing]:
    """Time candidates against each other in shuffled rounds.

    Each round calls every candidate once. Timing ends when every interval is narrower than
    ``relative_width``, though not in the first quarter of the time, or when the next round would
    exceed the time. At least one round is always run.

    Args:
        candidates: functions to time.
        reference: a candidate that is the same in all measurements, called in every round too.
        seconds: total duration, warm-up included, in seconds.
        threads: threads that a candidate should use; with 1, higher processor use is a warning.
        relative_width: target width of each candidate's interval, as a share of its latency.
        warmups: calls of each candidate before the first round; fewer if they take more than a
            fifth of the time.
        seed: seed of the order within the rounds.
        clock: source of time; the clocks of this process by default.

    Returns:
        The timings, in the order of the candidates.

    Raises:
        LatencyError: there are no candidates, or the time is not above 0.
    """
    if not candidates or not seconds > 0:
        raise LatencyError(
            f"{len(candidates)} candidates in {seconds} s cannot be timed; at least 1 in more"
            " than 0 s"
        )
    clock = clock or Clock()
    timed = [_Calls(run, clock) for run in candidates]
    everyone = list(timed)
    if reference:
        everyone.append(_Calls(reference, clock))
    with _no_garbage_collection():
        start_s = clock.wall_s()
        _warm_up(everyone, warmups, start_s + WARM_UP_SHARE_OF_TIME * seconds, clock)
        rng = np.random.default_rng(seed)
        _run_rounds(timed, everyone, start_s, seconds, relative_width, rng, clock)
    reference_ms = low_quantile(everyone[-1].ms) if reference else None
    return [_timing(calls, reference_ms, threads) for calls in timed]


def _warm_up(everyone: Sequence[_Calls], warmups: int, until_s: float, clock: Clock) -> None:
    for number in range(warmups):
        if number and clock.wall_s() >= until_s:
            return
        for calls in everyone:
            calls.run()


def _run_rounds(
    timed: Sequence[_Calls],
    everyone: Sequence[_Calls],
    start_s: float,
    seconds: float,
    relative_width: float,
    rng: np.random.Generator,
    clock: Clock,
) -> None:
    """Run shuffled rounds until the intervals of ``timed`` are tight or the time is up."""
    longest_s = 0.0
    next_check = LEAST_ROUNDS
    while True:
        round_start_s = clock.wall_s()
        for index in rng.permutation(len(everyone)):
            everyone[index].time_call()
        now_s = clock.wall_s()
        # The next round is expected to take as long as the longest so far.
        longest_s = max(longest_s, now_s - round_start_s)
        if now_s - start_s + longest_s > seconds:
            return
        rounds = len(timed[0].ms)
        if rounds >= next_check and now_s - start_s >= LEAST_SHARE_OF_TIME * seconds:
            if all(calls.is_tight(relative_width) for calls in timed):
                return
            # Intervals cost time too, so they are computed every 10 % more rounds only.
            next_check = rounds + rounds // 10


def _timing(calls: _Calls, reference_ms: float | None, threads: int) -> Timing:
    cpu_per_wall = calls.cpu_s / calls.wall_s if calls.wall_s > 0 else None
    low, high = bootstrap_interval(calls.ms)
    return Timing(
        ms=low_quantile(calls.ms),
        low_ms=low,
        high_ms=high,
        median_ms=float(np.median(calls.ms)),
        min_ms=min(calls.ms),
        rounds=len(calls.ms),
        cpu_per_wall=cpu_per_wall,
        reference_ms=reference_ms,
        warnings=tuple(_warnings(len(calls.ms), cpu_per_wall, threads)),
    )


def _warnings(rounds: int, cpu_per_wall: float | None, threads: int) -> Iterator[str]:
    if rounds < LEAST_ROUNDS:
        yield f"{rounds} of the {LEAST_ROUNDS} rounds that an interval needs: give it more seconds"
    if threads == 1 and cpu_per_wall is not None and cpu_per_wall > ONE_THREAD_CPU_PER_WALL:
        yield f"{cpu_per_wall:.2f} processors were busy, although one thread was requested"
    if threads == 1 and cpu_per_wall is not None and cpu_per_wall < UNDISTURBED_CPU_PER_WALL:
        yield f"other programs had the processor for {100 * (1 - cpu_per_wall):.0f} % of the time"


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
