"""``latency profile`` from end to end, on a made-up machine whose true times are known and whose speed changes between heats."""

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
from mvt_nas.latency.calibration.median_polish import HEAT_SIZE
from mvt_nas.latency.calibration.reference_networks import choose_reference_networks, farthest_first
from mvt_nas.latency.model.fit import OWN_KERNELS
from mvt_nas.latency.model.roofline import ROOFLINE
from mvt_nas.latency.model.scaling_groups import BY_GROUP
from mvt_nas.latency.profile import DeviceProfile
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
FIT, JUDGE = 16, 8
HEATS = 2 * 2  # two passes over 24 networks


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give tests devices of their own, networks without weights, and heats that last as long as calls that only look at a number."""
    monkeypatch.setattr("mvt_nas.models.synthetic.realistic_network", without_weights)
    monkeypatch.setenv("MVT_NAS_DEVICES", str(tmp_path / "devices"))
    monkeypatch.setattr("mvt_nas.latency.calibration.measurement_session._LEAST_S", 0.002)
    return tmp_path


@pytest.fixture
def machine() -> Iterator[Machine]:
    one = Machine(DEVICE, noise=0.005)
    with registered(one):
        yield one


class Changes:
    """A listener that changes the machine's speed after each heat."""

    def __init__(self, machine: Machine, stop_after: int | None = None) -> None:
        self.machine, self.stop_after = machine, stop_after
        self.heard: list[tuple[int, int]] = []
        machine.slowness = SPEEDS[0]

    def __call__(self, done: int, total: int, what: str) -> None:
        self.heard.append((done, total))
        self.machine.slowness = SPEEDS[done % len(SPEEDS)]
        if done == self.stop_after:
            raise KeyboardInterrupt


def plan(**changes: object) -> CalibrationPlan:
    settings = TimingSettings(runtime="made_up", num_classes=10)
    one = CalibrationPlan("made-up", TINY, settings, minutes=0.001, to_fit=FIT, to_judge=JUDGE)
    return replace(one, **changes)  # type: ignore[arg-type]  # names of fields


def true_ms() -> dict[str, float]:
    chosen = choose_reference_networks(TINY, to_fit=FIT, to_judge=JUDGE, seed=0)
    return {
        a.key: DEVICE.predict(a, num_classes=10).ms for _, a in (*chosen.to_fit, *chosen.to_judge)
    }


def test_a_calibrated_machine_is_predicted(machine: Machine, tmp_path: Path) -> None:
    listener = Changes(machine)
    found = calibrate(plan(), tmp_path / "made-up.json", listener=listener)
    assert found.quality["mape"] < 0.01
    assert (
        found.quality["spearman"] > 0.95
    )  # of a handful of networks, of which two may change places
    assert (found.quality["n"], found.quality["split"]) == (
        JUDGE,
        "networks that it was not fitted to",
    )
    assert 0 < found.quality["noise_floor"] < 0.01
    assert listener.heard == [(done, HEATS) for done in range(1, HEATS + 1)]
    assert DeviceProfile.read(tmp_path / "made-up.json") == found
    assert [path.name for path in tmp_path.iterdir()] == [
        "made-up.json"
    ]  # nothing is left beside it
    assert Counter(machine.measured) == {str(anchor["key"]): 2 for anchor in found.anchors}
    assert [anchor["fitted"] for anchor in found.anchors] == [True] * FIT + [False] * JUDGE
    assert found.method["slowest_heat"] == pytest.approx(1.4, rel=0.02)
    assert (found.method["heats"], found.method["seed"], found.donor) == (HEATS, 0, "roofline")


def test_the_latencies_in_a_profile_are_those_of_the_machine_at_its_quickest(
    machine: Machine, tmp_path: Path
) -> None:
    found = calibrate(plan(), tmp_path / "made-up.json", listener=Changes(machine))
    assert {anchor["key"]: anchor["ms"] for anchor in found.anchors} == pytest.approx(
        true_ms(), rel=0.02
    )
    assert {anchor["key"]: anchor["predicted_ms"] for anchor in found.anchors} == pytest.approx(
        true_ms(), rel=0.03
    )
    strangers = TINY.decode_many(TINY.sample(50, seed=99))
    inside = [
        abs(
            found.predictor.predict(a, num_classes=10).ms / DEVICE.predict(a, num_classes=10).ms - 1
        )
        for a in strangers
    ]
    assert np.mean(inside) < 0.02


def test_a_runtime_that_tells_its_kernels_needs_no_donor(tmp_path: Path) -> None:
    machine = Machine(DEVICE, noise=0.005)
    with registered(machine, tells_kernels=True):
        found = calibrate(plan(), tmp_path / "made-up.json", listener=Changes(machine))
    assert found.donor is None
    assert found.method["fit"].startswith(OWN_KERNELS)
    assert found.quality["mape"] < 0.01


def test_an_interrupted_calibration_goes_on(machine: Machine, tmp_path: Path) -> None:
    path = tmp_path / "made-up.json"
    with pytest.raises(KeyboardInterrupt):
        calibrate(plan(), path, listener=Changes(machine, stop_after=3))
    assert [found.name for found in tmp_path.iterdir()] == [".made-up.partial.jsonl"]
    first = list(machine.measured)
    machine.measured.clear()
    listener = Changes(machine)
    found = calibrate(plan(), path, listener=listener)
    assert len(machine.measured) == 24 // 2  # the last of four heats
    assert Counter(first + machine.measured) == {str(anchor["key"]): 2 for anchor in found.anchors}
    assert listener.heard[-1] == (HEATS, HEATS)
    assert found.quality["mape"] < 0.01
    assert [one.name for one in tmp_path.iterdir()] == ["made-up.json"]


def test_other_settings_do_not_go_on_unless_told_to_measure_anew(
    machine: Machine, tmp_path: Path
) -> None:
    path = tmp_path / "made-up.json"
    with pytest.raises(KeyboardInterrupt):
        calibrate(plan(), path, listener=Changes(machine, stop_after=2))
    machine.measured.clear()
    for other in (
        plan(to_fit=FIT + 1),
        plan(settings=replace(plan().settings, threads=2)),
        plan(passes=3),
    ):
        with pytest.raises(
            LatencyError,
            match=(
                r"partial\.jsonl: was begun with other settings or on another machine; --restart"
                r" measures anew$"
            ),
        ):
            calibrate(other, path)
    assert machine.measured == []
    found = calibrate(plan(), path, restart=True)
    assert Counter(machine.measured) == {str(anchor["key"]): 2 for anchor in found.anchors}


def test_a_damaged_journal_is_refused_and_a_torn_line_is_measured_again(
    machine: Machine, tmp_path: Path
) -> None:
    path, journal = tmp_path / "made-up.json", tmp_path / ".made-up.partial.jsonl"
    with pytest.raises(KeyboardInterrupt):
        calibrate(plan(), path, listener=Changes(machine, stop_after=2))
    whole = journal.read_bytes()
    journal.write_bytes(whole.replace(b'"heat":0', b'"heat":7'))
    with pytest.raises(
        RunError,
        match=(
            r"partial\.jsonl: line 2 is damaged \(the checksum does not fit\); delete it to measure"
            r" anew$"
        ),
    ):
        calibrate(plan(), path)
    journal.write_bytes(whole[:-20])
    machine.measured.clear()
    calibrate(plan(), path)
    assert len(machine.measured) == 3 * 12


def test_minutes_may_change_between_interruption_and_return(
    machine: Machine, tmp_path: Path
) -> None:
    path = tmp_path / "made-up.json"
    with pytest.raises(KeyboardInterrupt):
        calibrate(plan(), path, listener=Changes(machine, stop_after=2))
    machine.measured.clear()
    calibrate(plan(minutes=0.002), path)
    assert len(machine.measured) == 2 * 12


def test_a_device_like_one_that_is_known_needs_few_networks(
    machine: Machine, tmp_path: Path
) -> None:
    """The known one stands among this user's profiles; what is being calibrated is not its own donor, nor are published figures one."""
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
    found = calibrate(plan(to_fit=6), tmp_path / "made-up.json")
    assert found.donor == "known"
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
        ({"to_judge": 1}, r"to_judge = 1 is not allowed; an integer from 2"),
        ({"to_judge": 501}, r"to_judge = 501 is not allowed"),
        ({"passes": 0}, r"passes = 0 is not allowed; an integer from 1"),
    ],
)
def test_plans_that_make_no_sense_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(LatencyError, match=message):
        plan(**changes)


def test_the_campaign_is_what_is_measured_and_where() -> None:
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


def test_a_campaign_ties_its_heats(machine: Machine) -> None:
    networks = tuple(
        (f"n{index}", a) for index, a in enumerate(TINY.decode_many(TINY.sample(30, seed=5)))
    )
    listener = Changes(machine)
    results: SessionResults = run_session(
        MeasurementSession(networks, TimingSettings(runtime="made_up", num_classes=10), 0.001),
        listener=listener,
    )
    tied = results.tied()
    heats = 2 * -(-30 // HEAT_SIZE)
    assert results.done == set(range(heats))
    expected = {heat: SPEEDS[heat % len(SPEEDS)] for heat in range(heats)}
    assert tied.speeds == pytest.approx(expected, rel=0.01)
    for _, architecture in networks:
        assert tied.ms[architecture.key] == pytest.approx(
            DEVICE.predict(architecture, num_classes=10).ms, rel=0.01
        )
    assert (results.probe_ms, results.kernels, results.cpu_per_wall) == ([], {}, 0.0)


def spread(architectures: list[object], n: int) -> float:
    """Return the smallest distance between any two of the first n, in the logarithms of their times by group."""
    features = np.log(
        np.stack(
            [np.maximum(BY_GROUP.times(lower(a), ROOFLINE)[:-1], 1e-3) for a in architectures[:n]]
        )
    )  # type: ignore[arg-type]
    scaled = features / np.maximum(features.std(axis=0), 1e-9)
    return min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(scaled, 2))


def test_reference_networks_differ_and_those_that_judge_are_others() -> None:
    space = load_space("mobilevit")
    found = choose_reference_networks(space, to_fit=12, to_judge=9, seed=0)
    everyone = [a for _, a in (*found.to_fit, *found.to_judge)]
    assert len({a.key for a in everyone}) == len(everyone) == 21
    assert sum(name in published_names() for name, _ in found.to_judge) == 3
    assert all(space.contains(a) for a in everyone)
    drawn = space.decode_many(space.sample(12, seed=3))
    assert spread([a for _, a in found.to_fit], 12) > 1.3 * spread(list(drawn), 12)


def test_the_seed_fixes_the_reference_networks() -> None:
    found = choose_reference_networks(TINY, to_fit=12, to_judge=9, seed=0)
    assert found == choose_reference_networks(TINY, to_fit=12, to_judge=9, seed=0)
    assert found != choose_reference_networks(TINY, to_fit=12, to_judge=9, seed=1)


def test_farthest_first_by_hand() -> None:
    points = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0], [5.0, 5.0], [5.0, 4.0]])
    order = farthest_first(points, 6)
    assert order[0] == 4  # the most central
    assert set(order[1:5]) == {0, 1, 2, 3}
    assert order[5] == 5
