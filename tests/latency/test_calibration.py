"""``latency profile`` from end to end, on a made-up machine whose speed changes between rounds."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mvt_nas.errors import LatencyError, RunError
from mvt_nas.latency.calibration.calibrate import (
    MOST_NETWORKS,
    CalibrationPlan,
    calibrate,
    known_base_profiles,
)
from mvt_nas.latency.calibration.measurement_session import (
    MeasurementSession,
    SessionResults,
    run_session,
)
from mvt_nas.latency.calibration.median_polish import ROUND_SIZE
from mvt_nas.latency.calibration.reference_networks import choose_reference_networks, farthest_first
from mvt_nas.latency.latency_profile import LatencyProfile
from mvt_nas.latency.model.fit import OWN_KERNELS
from mvt_nas.latency.model.roofline import ROOFLINE
from mvt_nas.latency.model.scaling_groups import BY_GROUP
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.models.lowering import lower
from mvt_nas.space.published import published_names, zoo
from mvt_nas.space.search_space import load_space
from tests.support.device_profiles import install, profile
from tests.support.latency_devices import Machine, other_device, registered, without_weights

pytestmark = pytest.mark.slow

TINY = load_space("tiny")
DEVICE = other_device()
SPEEDS = (1.0, 1.4, 1.0, 1.2, 1.0, 1.0, 1.3)
FIT, TEST = 16, 8
ROUNDS = 2 * 2  # two passes over 24 networks


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give tests their own folder of devices, and networks without weights."""
    monkeypatch.setattr("mvt_nas.latency.timing.torch_jobs.realistic_network", without_weights)
    monkeypatch.setenv("MVT_NAS_DEVICES", str(tmp_path / "devices"))
    return tmp_path


@pytest.fixture
def machine() -> Iterator[Machine]:
    one = Machine(DEVICE, noise=0.005)
    with registered(one):
        yield one


class Changes:
    """A listener that changes the machine's speed after each round."""

    def __init__(self, machine: Machine, stop_after: int | None = None) -> None:
        self.machine, self.stop_after = machine, stop_after
        self.calls: list[tuple[int, int]] = []
        machine.slowness = SPEEDS[0]

    def __call__(self, done: int, total: int, what: str) -> None:
        self.calls.append((done, total))
        self.machine.slowness = SPEEDS[done % len(SPEEDS)]
        if done == self.stop_after:
            raise KeyboardInterrupt


def plan(**changes: object) -> CalibrationPlan:
    settings = TimingSettings(runtime="made_up", num_classes=10)
    one = CalibrationPlan("made-up", TINY, settings, minutes=0.001, to_fit=FIT, to_test=TEST)
    return replace(one, **changes)  # type: ignore[arg-type]  # names of fields


def true_ms() -> dict[str, float]:
    chosen = choose_reference_networks(TINY, to_fit=FIT, to_test=TEST, seed=0)
    return {a.key: DEVICE.predict(a, num_classes=10).ms for _, a in chosen.all}


def test_a_calibrated_machine_is_predicted(machine: Machine, tmp_path: Path) -> None:
    listener = Changes(machine)
    found = calibrate(plan(), tmp_path / "made-up.json", listener=listener, clock=machine.clock)
    assert found.quality["mape"] < 0.01
    # Of a handful of networks, two may change places.
    assert found.quality["spearman"] > 0.95
    assert (found.quality["n"], found.quality["split"]) == (
        TEST,
        "networks that it was not fitted to",
    )
    assert 0 < found.quality["noise_floor"] < 0.01
    assert listener.calls == [(done, ROUNDS) for done in range(1, ROUNDS + 1)]
    assert LatencyProfile.read(tmp_path / "made-up.json") == found
    assert [path.name for path in tmp_path.iterdir()] == ["made-up.json"]
    assert Counter(machine.measured) == {str(anchor["key"]): 2 for anchor in found.anchors}
    assert [anchor["fitted"] for anchor in found.anchors] == [True] * FIT + [False] * TEST
    assert found.method["slowest_heat"] == pytest.approx(1.4, rel=0.02)
    assert (found.method["heats"], found.method["seed"], found.base_profile) == (
        ROUNDS,
        0,
        "roofline",
    )


def test_the_latencies_in_a_profile_are_those_of_the_machine_at_its_quickest(
    machine: Machine, tmp_path: Path
) -> None:
    found = calibrate(
        plan(), tmp_path / "made-up.json", listener=Changes(machine), clock=machine.clock
    )
    assert {anchor["key"]: anchor["ms"] for anchor in found.anchors} == pytest.approx(
        true_ms(), rel=0.02
    )
    assert {anchor["key"]: anchor["predicted_ms"] for anchor in found.anchors} == pytest.approx(
        true_ms(), rel=0.03
    )
    others = TINY.decode_many(TINY.sample(50, seed=99))
    inside = [
        abs(
            found.predictor.predict(a, num_classes=10).ms / DEVICE.predict(a, num_classes=10).ms - 1
        )
        for a in others
    ]
    assert np.mean(inside) < 0.02


def test_a_runtime_that_profiles_kernels_needs_no_base_profile(tmp_path: Path) -> None:
    machine = Machine(DEVICE, noise=0.005)
    with registered(machine, profiles_kernels=True):
        found = calibrate(
            plan(), tmp_path / "made-up.json", listener=Changes(machine), clock=machine.clock
        )
    assert found.base_profile is None
    assert found.method["fit"].startswith(OWN_KERNELS)
    assert found.quality["mape"] < 0.01


def test_an_interrupted_calibration_is_resumed(machine: Machine, tmp_path: Path) -> None:
    path = tmp_path / "made-up.json"
    with pytest.raises(KeyboardInterrupt):
        calibrate(plan(), path, listener=Changes(machine, stop_after=3), clock=machine.clock)
    assert [found.name for found in tmp_path.iterdir()] == [".made-up.partial.jsonl"]
    first = list(machine.measured)
    machine.measured.clear()
    listener = Changes(machine)
    found = calibrate(plan(), path, listener=listener, clock=machine.clock)
    assert len(machine.measured) == 24 // 2  # the last of four rounds
    assert Counter(first + machine.measured) == {str(anchor["key"]): 2 for anchor in found.anchors}
    assert listener.calls[-1] == (ROUNDS, ROUNDS)
    assert found.quality["mape"] < 0.01
    assert [one.name for one in tmp_path.iterdir()] == ["made-up.json"]


def test_other_settings_are_refused_without_restart(machine: Machine, tmp_path: Path) -> None:
    path = tmp_path / "made-up.json"
    with pytest.raises(KeyboardInterrupt):
        calibrate(plan(), path, listener=Changes(machine, stop_after=2), clock=machine.clock)
    machine.measured.clear()
    for other in (
        plan(to_fit=FIT + 1),
        plan(settings=replace(plan().settings, threads=2)),
        plan(passes=3),
    ):
        with pytest.raises(
            LatencyError,
            match=(
                r"partial\.jsonl: was started with other settings or on another machine; --restart"
                r" measures again$"
            ),
        ):
            calibrate(other, path, clock=machine.clock)
    assert machine.measured == []
    found = calibrate(plan(), path, restart=True, clock=machine.clock)
    assert Counter(machine.measured) == {str(anchor["key"]): 2 for anchor in found.anchors}


def test_a_damaged_journal_is_refused_and_a_torn_line_is_measured_again(
    machine: Machine, tmp_path: Path
) -> None:
    path, journal = tmp_path / "made-up.json", tmp_path / ".made-up.partial.jsonl"
    with pytest.raises(KeyboardInterrupt):
        calibrate(plan(), path, listener=Changes(machine, stop_after=2), clock=machine.clock)
    whole = journal.read_bytes()
    journal.write_bytes(whole.replace(b'"heat":0', b'"heat":7'))
    with pytest.raises(
        RunError,
        match=(
            r"partial\.jsonl: line 2 is damaged \(the checksum does not fit\); delete it to measure"
            r" again$"
        ),
    ):
        calibrate(plan(), path, clock=machine.clock)
    journal.write_bytes(whole[:-20])
    machine.measured.clear()
    calibrate(plan(), path, clock=machine.clock)
    assert len(machine.measured) == 3 * 12


def test_minutes_may_change_between_interruption_and_return(
    machine: Machine, tmp_path: Path
) -> None:
    path = tmp_path / "made-up.json"
    with pytest.raises(KeyboardInterrupt):
        calibrate(plan(), path, listener=Changes(machine, stop_after=2), clock=machine.clock)
    machine.measured.clear()
    calibrate(plan(minutes=0.002), path, clock=machine.clock)
    assert len(machine.measured) == 2 * 12


def test_a_device_like_one_that_is_known_needs_few_networks(
    machine: Machine, tmp_path: Path
) -> None:
    """Base profiles are measured ones of this user, but not the one that is being calibrated."""
    install(
        tmp_path / "devices",
        profile("known", predictor=DEVICE),
        profile("made-up"),
        profile("read-about", source="a paper"),
    )
    assert {"known", "roofline"} <= set(known_base_profiles(but="made-up"))
    assert {"made-up", "read-about", "iphone12-coreml"} & set(
        known_base_profiles(but="made-up")
    ) == set()
    found = calibrate(plan(to_fit=6), tmp_path / "made-up.json", clock=machine.clock)
    assert found.base_profile == "known"
    assert found.quality["mape"] < 0.01


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "a b"}, r"the name 'a b' is not allowed; letters"),
        ({"name": ""}, r"the name '' is not allowed"),
        ({"name": "../x"}, r"the name '\.\./x' is not allowed"),
        ({"name": ".x"}, r"the name '\.x' is not allowed"),
        ({"minutes": 0.0}, r"minutes = 0\.0 is not allowed; a number above 0"),
        ({"minutes": float("nan")}, r"minutes = nan is not allowed"),
        ({"minutes": float("inf")}, r"minutes = inf is not allowed"),
        ({"to_fit": 3}, rf"to_fit = 3 is not allowed; an integer from 4 to {MOST_NETWORKS}"),
        ({"to_test": 1}, r"to_test = 1 is not allowed; an integer from 2"),
        ({"to_test": 501}, r"to_test = 501 is not allowed"),
        ({"passes": 0}, r"passes = 0 is not allowed; an integer from 1"),
    ],
)
def test_plans_that_make_no_sense_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(LatencyError, match=message):
        plan(**changes)


def test_the_session_key_covers_the_measurements_and_the_machine() -> None:
    networks = tuple((name, zoo(name)) for name in published_names()[:3])
    one = MeasurementSession(networks, TimingSettings(), 1.0)
    assert one.key == replace(one, minutes=9.0).key
    others = (
        replace(one, networks=networks[:2]),
        replace(one, settings=TimingSettings(threads=2)),
        replace(one, passes=3),
        replace(one, kernels=True),
    )
    assert len({one.key, *(other.key for other in others)}) == 5


def test_a_session_separates_latencies_from_slowdowns(machine: Machine) -> None:
    networks = tuple(
        (f"n{index}", a) for index, a in enumerate(TINY.decode_many(TINY.sample(30, seed=5)))
    )
    listener = Changes(machine)
    results: SessionResults = run_session(
        MeasurementSession(networks, TimingSettings(runtime="made_up", num_classes=10), 0.001),
        listener=listener,
        clock=machine.clock,
    )
    effects = results.effects()
    rounds = 2 * -(-30 // ROUND_SIZE)
    assert results.complete == set(range(rounds))
    expected = {number: SPEEDS[number % len(SPEEDS)] for number in range(rounds)}
    assert effects.slowdowns == pytest.approx(expected, rel=0.01)
    for _, architecture in networks:
        assert effects.ms[architecture.key] == pytest.approx(
            DEVICE.predict(architecture, num_classes=10).ms, rel=0.01
        )
    assert (results.reference_ms, results.kernels, results.cpu_per_wall) == ([], {}, 0.0)


def spread(architectures: list[object], n: int) -> float:
    """Return the smallest distance of the first n in the logarithms of their times by group."""
    features = np.log(
        np.stack(
            [np.maximum(BY_GROUP.times(lower(a), ROOFLINE)[:-1], 1e-3) for a in architectures[:n]]
        )
    )  # type: ignore[arg-type]
    scaled = features / np.maximum(features.std(axis=0), 1e-9)
    return min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(scaled, 2))


def test_reference_networks_differ_and_test_networks_are_others() -> None:
    space = load_space("mobilevit")
    found = choose_reference_networks(space, to_fit=12, to_test=9, seed=0)
    everyone = [a for _, a in found.all]
    assert len({a.key for a in everyone}) == len(everyone) == 21
    assert sum(name in published_names() for name, _ in found.to_test) == 3
    assert all(space.contains(a) for a in everyone)
    drawn = space.decode_many(space.sample(12, seed=3))
    assert spread([a for _, a in found.to_fit], 12) > 1.3 * spread(list(drawn), 12)


def test_the_seed_fixes_the_reference_networks() -> None:
    found = choose_reference_networks(TINY, to_fit=12, to_test=9, seed=0)
    assert found == choose_reference_networks(TINY, to_fit=12, to_test=9, seed=0)
    assert found != choose_reference_networks(TINY, to_fit=12, to_test=9, seed=1)


def test_farthest_first_by_hand() -> None:
    points = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0], [5.0, 5.0], [5.0, 4.0]])
    order = farthest_first(points, 6)
    assert order[0] == 4  # the most central
    assert set(order[1:5]) == {0, 1, 2, 3}
    assert order[5] == 5
