"""Times several things against each other, so that the figures can be believed on a machine that others use too.

A shared machine has states: the same call takes 20 ms for a while and 30 ms for another. Blocks of
calls, one network after the other, compare states; here each round calls every candidate and the
probe once, in a new random order, so that all see the same states. The figure is the 10th
percentile over the rounds, the ratio of two figures is steadier than each of them.
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

# Stopping at once when the first rounds agree would measure one state of the machine: neighbouring
# calls are alike.
LEAST_ROUNDS = 20
LEAST_SHARE_OF_TIME = 0.25
WARM_UP_SHARE_OF_TIME = 0.2
ONE_THREAD_CPU_PER_WALL = 1.15
UNDISTURBED_CPU_PER_WALL = 0.85


@dataclass(frozen=True, slots=True)
class Clock:
    """Where the time comes from, both in seconds.

    Attributes:
        wall_s: time that passes.
        cpu_s: processor time that this process uses, all threads together.
    """

    wall_s: Callable[[], float] = time.perf_counter
    cpu_s: Callable[[], float] = time.process_time


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one candidate takes.

    Attributes:
        ms: the figure: the 10th percentile of its calls, in milliseconds.
        low_ms: lower end of the 95 % bootstrap interval of the figure.
        high_ms: upper end.
        median_ms: the median call.
        min_ms: the fastest call.
        rounds: calls that were timed.
        cpu_per_wall: processor time per time passed during its own calls: about the number of busy
            threads; ``None`` where the calls ran elsewhere and brought their own milliseconds.
        probe_ms: the figure of the probe in the same rounds; ``None`` without a probe.
        warnings: what makes the figure doubtful, one sentence each.
    """

    ms: float
    low_ms: float
    high_ms: float
    median_ms: float
    min_ms: float
    rounds: int
    cpu_per_wall: float | None
    probe_ms: float | None
    warnings: tuple[str, ...]

    @property
    def relative_width(self) -> float:
        """Width of the interval as a share of the figure."""
        return (self.high_ms - self.low_ms) / self.ms


@dataclass(slots=True)
class _Calls:
    """The calls of one candidate so far."""

    run: Candidate
    clock: Clock
    ms: list[float] = field(default_factory=list)
    wall_s: float = 0.0
    cpu_s: float = 0.0

    def once(self) -> None:
        cpu, wall = self.clock.cpu_s(), self.clock.wall_s()
        own_ms = self.run()
        wall_s, cpu_s = self.clock.wall_s() - wall, self.clock.cpu_s() - cpu
        if own_ms is None:
            self.wall_s += wall_s
            self.cpu_s += cpu_s
        self.ms.append(1000 * wall_s if own_ms is None else own_ms)

    def tight(self, relative_width: float) -> bool:
        low, high = bootstrap_interval(self.ms)
        return high - low < relative_width * low_quantile(self.ms)


def interleaved_timing(
    candidates: Sequence[Candidate],
    probe: Candidate | None = None,
    *,
    seconds: float,
    threads: int = 1,
    relative_width: float = 0.02,
    warmups: int = 3,
    seed: int = 0,
    clock: Clock | None = None,
) -> list[Timing]:
    """Return the timing of each candidate, in their order.

    Every candidate is called without arguments, as often as the others; what it returns, if
    anything, is its own measurement in milliseconds. The race ends when every interval is narrower
    than asked for, though not in the first quarter of the time, or when the next round would not
    end in time. At least one round is always run.

    Args:
        candidates: what to time.
        probe: something that is the same in every race, called in every round too.
        seconds: for the whole race, warm-up included.
        threads: that a candidate should use; with one, more processor time than that is a warning.
        relative_width: of each candidate's interval, as a share of its figure.
        warmups: calls of each before the first round, fewer when they take more than a fifth of the
            time.
        seed: of the order within the rounds.
        clock: where the time comes from.

    Raises:
        LatencyError: no candidates, or a time that is not above zero.
    """
    if not candidates or not seconds > 0:
        raise LatencyError(
            f"{len(candidates)} candidates in {seconds} s cannot be timed; at least 1 in more"
            " than 0 s"
        )
    clock = clock or Clock()
    timed = [_Calls(run, clock) for run in candidates]
    everyone = [*timed, *([_Calls(probe, clock)] if probe else [])]
    with _no_garbage_collection():
        start = clock.wall_s()
        _warm_up(everyone, warmups, start + WARM_UP_SHARE_OF_TIME * seconds, clock)
        _rounds(timed, everyone, start, seconds, relative_width, np.random.default_rng(seed), clock)
    probe_ms = low_quantile(everyone[-1].ms) if probe else None
    return [_timing(calls, probe_ms, threads) for calls in timed]


def _warm_up(everyone: Sequence[_Calls], warmups: int, until_s: float, clock: Clock) -> None:
    for number in range(warmups):
        if number and clock.wall_s() >= until_s:
            return
        for calls in everyone:
            calls.run()


def _rounds(
    timed: Sequence[_Calls],
    everyone: Sequence[_Calls],
    start_s: float,
    seconds: float,
    relative_width: float,
    rng: np.random.Generator,
    clock: Clock,
) -> None:
    """Call everyone in shuffled rounds until the candidates' intervals are tight or the time is up."""
    longest_s, look_at = 0.0, LEAST_ROUNDS
    while True:
        began = clock.wall_s()
        for index in rng.permutation(len(everyone)):
            everyone[index].once()
        now = clock.wall_s()
        longest_s = max(longest_s, now - began)
        if now - start_s + longest_s > seconds:
            return
        rounds = len(timed[0].ms)
        if rounds >= look_at and now - start_s >= LEAST_SHARE_OF_TIME * seconds:
            if all(calls.tight(relative_width) for calls in timed):
                return
            look_at = rounds + rounds // 10  # looking takes time too


def _timing(calls: _Calls, probe_ms: float | None, threads: int) -> Timing:
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
        probe_ms=probe_ms,
        warnings=tuple(_doubts(len(calls.ms), cpu_per_wall, threads)),
    )


def _doubts(rounds: int, cpu_per_wall: float | None, threads: int) -> Iterator[str]:
    if rounds < LEAST_ROUNDS:
        yield f"{rounds} of the {LEAST_ROUNDS} rounds that an interval needs: give it more seconds"
    if threads == 1 and cpu_per_wall is not None and cpu_per_wall > ONE_THREAD_CPU_PER_WALL:
        yield f"{cpu_per_wall:.2f} processors were busy, although one thread was asked for"
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
