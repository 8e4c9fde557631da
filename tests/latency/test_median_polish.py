"""Separating latencies from the speeds of rounds, on tables with known factors."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from mvt_nas.latency.calibration.median_polish import (
    ROUND_SIZE,
    RoundRecord,
    fit_effects,
    plan_rounds,
)


def records_of(
    rounds: list[tuple[int, ...]],
    ms: list[float],
    speeds: list[float],
    noise: np.ndarray | None = None,
) -> list[RoundRecord]:
    found = [
        RoundRecord(number, f"n{index}", ms[index] * speeds[number])
        for number, members in enumerate(rounds)
        for index in members
    ]
    if noise is None:
        return found
    return [
        RoundRecord(one.round, one.network, one.ms * float(factor))
        for one, factor in zip(found, noise, strict=True)
    ]


def latencies(n: int) -> list[float]:
    return [float(ms) for ms in np.random.default_rng(7).uniform(2, 80, n)]


@pytest.mark.parametrize(
    ("networks", "passes", "size"), [(51, 2, 12), (5, 3, 12), (13, 2, 12), (24, 4, 6), (7, 1, 1)]
)
def test_each_network_is_in_one_round_of_each_pass(networks: int, passes: int, size: int) -> None:
    rounds = plan_rounds(networks, passes, np.random.default_rng(0), size)
    per_pass = -(-networks // size)
    assert len(rounds) == passes * per_pass
    for number in range(passes):
        members = sorted(itertools.chain(*rounds[number * per_pass : (number + 1) * per_pass]))
        assert members == list(range(networks))
    lengths = {len(number) for number in rounds}
    assert max(lengths) <= size
    assert max(lengths) - min(lengths) <= 1


def test_rounds_differ_from_pass_to_pass_and_the_seed_fixes_them() -> None:
    rounds = plan_rounds(48, 2, np.random.default_rng(3))
    assert {len(number) for number in rounds} == {ROUND_SIZE}
    pairs = [
        Counter(pair for number in part for pair in itertools.combinations(sorted(number), 2))
        for part in (rounds[:4], rounds[4:])
    ]
    assert len(set(pairs[0]) & set(pairs[1])) < 0.5 * len(pairs[0])
    assert rounds == plan_rounds(48, 2, np.random.default_rng(3))
    assert rounds != plan_rounds(48, 2, np.random.default_rng(4))


def test_latencies_and_slowdowns_are_separated() -> None:
    rng = np.random.default_rng(0)
    for networks, passes, size in 20 * ((51, 2, 12), (24, 3, 8), (13, 2, 12)):
        ms, rounds = latencies(networks), plan_rounds(networks, passes, rng, size)
        speeds = [1.0, *rng.choice([1.0, 1.5], len(rounds) - 1).tolist()]
        found = fit_effects(records_of(rounds, ms, speeds))
        assert found.slowdowns == pytest.approx(dict(enumerate(speeds)), rel=1e-6)
        assert found.ms == pytest.approx(
            {f"n{index}": value for index, value in enumerate(ms)}, rel=1e-6
        )
        assert found.noise == pytest.approx(0, abs=1e-6)


def test_one_disturbed_round_is_slow_and_its_networks_are_not() -> None:
    """All its calls are 40 to 80 % slower: no single factor fits, but the medians agree."""
    ms, rounds = latencies(24), plan_rounds(24, 3, np.random.default_rng(0), 8)
    clean = [1.0, 1.0, 1.5, 1.0, 1.0, 1.5, 1.0, 1.0, 1.0]
    records = records_of(rounds, ms, clean)
    disturbed = np.random.default_rng(1).uniform(1.4, 1.8, 8) * 1.2
    records[8:16] = [
        RoundRecord(e.round, e.network, e.ms * float(by))
        for e, by in zip(records[8:16], disturbed, strict=True)
    ]
    found = fit_effects(records)
    assert found.ms == pytest.approx(
        {f"n{index}": value for index, value in enumerate(ms)}, rel=0.02
    )
    assert found.slowdowns[1] == pytest.approx(float(np.median(disturbed)), rel=0.05)
    others = {number: speed for number, speed in found.slowdowns.items() if number != 1}
    assert others == pytest.approx(
        {number: speed for number, speed in enumerate(clean) if number != 1}, rel=0.02
    )


@pytest.mark.parametrize("sigma", [0.01, 0.03])
def test_the_noise_is_the_mean_deviation(sigma: float) -> None:
    """For a normal distribution it is sigma * sqrt(2 / pi), less the degrees of freedom."""
    ms, rounds = latencies(40), plan_rounds(40, 12, np.random.default_rng(0), 20)
    noise = np.exp(sigma * np.random.default_rng(1).standard_normal(40 * 12))
    speeds = np.random.default_rng(2).choice([1.0, 1.5], len(rounds)).tolist()
    found = fit_effects(records_of(rounds, ms, speeds, noise))
    assert 0.75 < found.noise / (sigma * np.sqrt(2 / np.pi)) < 1
    scale = found.ms["n0"] / ms[0]
    assert scale == pytest.approx(1, abs=3 * sigma)
    assert found.ms == pytest.approx(
        {f"n{index}": scale * value for index, value in enumerate(ms)}, rel=3 * sigma
    )


def test_the_noise_of_two_networks_in_two_rounds_by_hand() -> None:
    """One is 4 % faster and one 4 % slower in the second round: each is 2 % off, twice."""
    by = 1.04
    found = fit_effects(
        [
            RoundRecord(0, "a", 10.0),
            RoundRecord(1, "a", 10.0 * by),
            RoundRecord(0, "b", 20.0),
            RoundRecord(1, "b", 20.0 / by),
        ]
    )
    assert found.slowdowns == pytest.approx({0: 1.0, 1: 1.0})
    assert found.ms == pytest.approx({"a": 10 * by**0.5, "b": 20 / by**0.5})
    assert found.noise == pytest.approx((by**0.5 - by**-0.5) / 2)


def test_one_round_has_no_noise() -> None:
    found = fit_effects(records_of([(0, 1, 2)], [5.0, 7.0, 11.0], [1.0]))
    assert found.ms == pytest.approx({"n0": 5.0, "n1": 7.0, "n2": 11.0})
    assert (found.slowdowns, found.noise) == ({0: 1.0}, 0.0)


def test_latencies_are_those_of_the_fastest_round() -> None:
    records = [
        RoundRecord(number, name, ms * speed)
        for number, speed in ((4, 1.3), (9, 1.0))
        for name, ms in (("a", 10.0), ("b", 20.0))
    ]
    found = fit_effects(records)
    assert found.ms == pytest.approx({"a": 10.0, "b": 20.0})
    assert found.slowdowns == pytest.approx({4: 1.3, 9: 1.0})
