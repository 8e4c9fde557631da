"""The stopwatch on a simulated clock: durations are known, the noise has two states."""

from __future__ import annotations

import gc
import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from mvt_nas.errors import LatencyError
from mvt_nas.latency.statistics import bootstrap_interval, low_quantile
from mvt_nas.latency.timing.stopwatch import Clock, interleaved_timing


class Machine:
    """A simulated clock: candidates advance it by their duration, times 1.0 or 1.6 under load."""

    def __init__(
        self, *, seed: int = 0, slow: float = 1.6, change: float = 0.1, threads: float = 1.0
    ) -> None:
        self.now_s = self.cpu_s = 0.0
        self._rng = np.random.default_rng(seed)
        self._slow, self._change, self._threads = slow, change, threads
        self._factor = 1.0
        self.calls: list[str] = []

    @property
    def clock(self) -> Clock:
        return Clock(wall_s=lambda: self.now_s, cpu_s=lambda: self.cpu_s)

    def candidate(self, name: str, ms: float) -> Callable[[], None]:
        def run() -> None:
            if self._rng.random() < self._change:
                self._factor = self._slow if self._factor == 1.0 else 1.0
            jitter = 1 + 0.005 * self._rng.random()
            took_s = ms / 1000 * self._factor * jitter
            self.now_s += took_s
            self.cpu_s += took_s * self._threads
            self.calls.append(name)

        return run


@pytest.mark.parametrize("seed", range(5))
def test_the_quick_state_and_the_right_ratio_come_out(seed: int) -> None:
    machine = Machine(seed=seed)
    timings = interleaved_timing(
        [machine.candidate("a", 20), machine.candidate("b", 30)],
        machine.candidate("reference", 5),
        seconds=20,
        clock=machine.clock,
    )
    a, b = timings
    assert a.ms == pytest.approx(20, rel=0.005)
    assert b.ms == pytest.approx(30, rel=0.005)
    assert b.ms / a.ms == pytest.approx(1.5, rel=0.005)
    assert a.reference_ms == b.reference_ms == pytest.approx(5, rel=0.005)
    for timing in timings:
        assert timing.min_ms <= timing.low_ms <= timing.ms <= timing.high_ms
        assert timing.warnings == ()


def test_blocks_of_calls_would_have_been_misled() -> None:
    """The same machine, one candidate after the other: the noise above is hard enough to matter."""
    ratios = []
    for seed in range(20):
        machine = Machine(seed=seed, change=0.02)
        blocks = []
        for ms in (20, 30):
            run = machine.candidate("", ms)
            start = machine.now_s
            for _ in range(20):
                run()
            blocks.append(machine.now_s - start)
        ratios.append(blocks[1] / blocks[0])
    assert max(abs(ratio / 1.5 - 1) for ratio in ratios) > 0.2


def test_it_stops_early_when_all_agree_and_not_before_a_quarter_of_the_time() -> None:
    machine = Machine(slow=1.0)
    (timing,) = interleaved_timing([machine.candidate("a", 10)], seconds=40, clock=machine.clock)
    assert 10.0 <= machine.now_s < 10.2
    assert timing.relative_width < 0.02
    assert timing.reference_ms is None


def test_it_goes_on_while_one_interval_is_wide() -> None:
    machine = Machine(slow=1.0)
    steady, rng = machine.candidate("a", 10), np.random.default_rng(0)

    def wild() -> None:
        machine.now_s += 0.01 * rng.uniform(1, 3)

    interleaved_timing([steady, wild], seconds=20, relative_width=0.001, clock=machine.clock)
    assert 19.9 < machine.now_s <= 20


@pytest.mark.parametrize("seconds", [0.5, 3, 10])
def test_the_time_limit_holds_for_whole_rounds(seconds: float) -> None:
    machine = Machine()
    candidates = [machine.candidate(name, 40) for name in "abc"]
    timings = interleaved_timing(
        candidates, seconds=seconds, relative_width=1e-9, clock=machine.clock
    )
    assert 0.7 * seconds < machine.now_s <= seconds
    assert len({timing.rounds for timing in timings}) == 1


def test_a_call_longer_than_the_time_is_made_once_and_doubted() -> None:
    machine = Machine(slow=1.0)
    (timing,) = interleaved_timing([machine.candidate("a", 5000)], seconds=1, clock=machine.clock)
    assert len(machine.calls) == 2  # a warm-up, a round
    assert timing.rounds == 1
    assert timing.warnings == ("1 of the 20 rounds that an interval needs: give it more seconds",)


def test_each_round_has_everyone_in_a_new_order_that_the_seed_fixes() -> None:
    def orders(seed: int) -> list[str]:
        machine = Machine(slow=1.0)
        interleaved_timing(
            [machine.candidate(name, 10) for name in "abc"],
            machine.candidate("p", 10),
            seconds=2,
            seed=seed,
            clock=machine.clock,
        )
        return ["".join(machine.calls[i : i + 4]) for i in range(0, len(machine.calls), 4)]

    first = orders(0)
    assert {"".join(sorted(order)) for order in first} == {"abcp"}
    assert first[:3] == ["abcp"] * 3  # warm-up
    assert len(set(first[3:])) > 10
    assert first == orders(0)
    assert first != orders(1)


def test_a_second_busy_thread_is_noticed_where_one_was_asked_for() -> None:
    machine = Machine(slow=1.0, threads=1.6)
    (timing,) = interleaved_timing([machine.candidate("a", 10)], seconds=1, clock=machine.clock)
    assert timing.cpu_per_wall == pytest.approx(1.6)
    assert timing.warnings == ("1.60 processors were busy, although one thread was requested",)
    (timing,) = interleaved_timing(
        [machine.candidate("a", 10)], seconds=1, threads=2, clock=machine.clock
    )
    assert timing.warnings == ()


def test_a_processor_that_others_had_is_noticed() -> None:
    machine = Machine(slow=1.0, threads=0.7)
    (timing,) = interleaved_timing([machine.candidate("a", 10)], seconds=1, clock=machine.clock)
    assert timing.warnings == ("other programs had the processor for 30 % of the time",)


def test_milliseconds_that_a_candidate_brings_are_taken() -> None:
    machine = Machine(slow=1.0)
    spawn = machine.candidate("a", 500)

    def own() -> float:
        spawn()
        return 12.5

    (timing,) = interleaved_timing([own], seconds=30, clock=machine.clock)
    assert (timing.ms, timing.low_ms, timing.high_ms, timing.min_ms) == (12.5, 12.5, 12.5, 12.5)
    assert timing.cpu_per_wall is None


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_not_collected_meanwhile_and_the_setting_is_put_back(enabled: bool) -> None:
    machine, seen = Machine(), []
    run = machine.candidate("a", 10)

    def watched() -> None:
        seen.append(gc.isenabled())
        run()

    was = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        interleaved_timing([watched], seconds=1, clock=machine.clock)
        assert set(seen) == {False}
        assert gc.isenabled() is enabled
        with pytest.raises(ZeroDivisionError, match="division"):
            interleaved_timing([lambda: 1 / 0], seconds=1, clock=machine.clock)
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()


@pytest.mark.parametrize(
    ("candidates", "seconds"), [(0, 1.0), (1, 0.0), (1, -1.0), (1, float("nan"))]
)
def test_nothing_to_time_or_no_time_is_refused(candidates: int, seconds: float) -> None:
    with pytest.raises(LatencyError, match="cannot be timed; at least 1 in more than 0 s"):
        interleaved_timing([lambda: None] * candidates, seconds=seconds)


def test_the_low_quantile_is_numpys_inverted_cdf() -> None:
    rng = np.random.default_rng(0)
    for n in range(1, 120):
        samples = rng.standard_normal(n)
        assert low_quantile(samples) == np.quantile(samples, 0.1, method="inverted_cdf")


@pytest.mark.parametrize("n", [5, 20, 57, 300])
def test_the_interval_is_that_of_resampling(n: int) -> None:
    rng = np.random.default_rng(n)
    samples = rng.lognormal(size=n)
    resampled = rng.choice(samples, size=(20_000, n)).astype(np.float64)
    figures = np.quantile(resampled, 0.1, axis=1, method="inverted_cdf")
    low, high = bootstrap_interval(samples)
    for end, tail in ((low, 0.025), (high, 0.975)):
        assert np.mean(figures < end) - 0.005 < tail < np.mean(figures <= end) + 0.005
    assert low <= low_quantile(samples) <= high


@pytest.mark.parametrize("share", [0.1, 0.4, 0.6])
@pytest.mark.parametrize("coverage", [0.05, 0.2, 0.5, 0.8, 0.95])
def test_the_interval_is_that_of_all_resamples_there_are(share: float, coverage: float) -> None:
    samples = [1.0, 2.0, 4.0, 8.0, 16.0]
    figures = sorted(low_quantile(drawn, share) for drawn in itertools.product(samples, repeat=5))
    low, high = (
        figures[math.ceil(tail * len(figures)) - 1]
        for tail in ((1 - coverage) / 2, (1 + coverage) / 2)
    )
    assert bootstrap_interval(samples, share, coverage) == (low, high)


def test_the_interval_of_one_sample_is_that_sample() -> None:
    assert bootstrap_interval([3.0]) == (3.0, 3.0)
