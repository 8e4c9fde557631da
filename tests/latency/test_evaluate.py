"""``latency evaluate`` on made-up machines: slower ones, and different ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mvt_nas.errors import LatencyError, PluginError
from mvt_nas.latency.calibration.evaluate import (
    HOLDS_MAPE,
    ProfileEvaluation,
    compare,
    evaluate_profile,
    fresh_networks,
    settings_of,
)
from mvt_nas.latency.calibration.measurement_session import SessionResults
from mvt_nas.latency.calibration.median_polish import RoundRecord
from mvt_nas.latency.latency_profile import LatencyProfile
from mvt_nas.latency.model.prediction_error import prediction_error
from mvt_nas.latency.model.predictor import Predictor
from mvt_nas.latency.profile_lookup import load_profile
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.space.published import published_names, zoo
from mvt_nas.space.search_space import SearchSpace, load_space
from tests.support.device_profiles import predictor
from tests.support.latency_devices import Machine, other_device, registered, without_weights
from tests.support.spaces import SPACES

TINY = load_space("tiny")
DEVICE = other_device()
N = 12


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MVT_NAS_DEVICES", str(tmp_path))
    monkeypatch.setattr("mvt_nas.latency.timing.torch_jobs.realistic_network", without_weights)


@pytest.fixture
def machine() -> Iterator[Machine]:
    one = Machine(DEVICE, noise=0.005)
    with registered(one):
        yield one


def profile_of(model: Predictor, **changes: object) -> LatencyProfile:
    runtime = {"name": "made_up", "version": None, "threads": 1}
    one = LatencyProfile(
        "made-up",
        replace(model, relative_error=0.05),
        runtime,
        {"name": "made up"},
        "measured",
        num_classes=10,
    )
    return replace(one, **changes)  # type: ignore[arg-type]  # names of fields


def evaluated(profile: LatencyProfile, machine: Machine) -> ProfileEvaluation:
    return evaluate_profile(profile, TINY, n=N, minutes=0.001, clock=machine.clock)


@pytest.mark.parametrize("slowness", [1.0, 1.5, 0.5])
def test_a_slower_machine_is_one_factor(machine: Machine, slowness: float) -> None:
    machine.slowness = slowness
    found = evaluated(profile_of(DEVICE), machine)
    assert found.scale == pytest.approx(slowness, rel=0.01)
    assert found.after_scale["mape"] < 0.01
    assert found.before_scale["mape"] == pytest.approx(abs(1 / slowness - 1), abs=0.01)
    assert found.holds
    assert (found.covered, found.outside) == (1.0, 0)
    assert 0 < found.noise_floor < 0.01
    assert len(found.networks) == len(machine.measured) / 2 == N
    for predicted, measured in zip(found.predicted_ms, found.measured_ms, strict=True):
        assert measured / predicted == pytest.approx(slowness, rel=0.02)


def test_rounds_of_other_speed_do_not_count_as_errors(machine: Machine) -> None:
    """Two rounds per pass, the second of them at half the speed."""

    def listener(done: int, total: int, what: str) -> None:
        machine.slowness = (1.0, 2.0)[done % 2]

    found = evaluate_profile(
        profile_of(DEVICE), TINY, n=20, minutes=0.001, listener=listener, clock=machine.clock
    )
    assert found.scale == pytest.approx(1.0, rel=0.02)
    assert found.after_scale["mape"] < 0.01


def test_a_profile_of_another_device_does_not_hold(machine: Machine) -> None:
    found = evaluated(profile_of(predictor(1)), machine)
    assert not found.holds
    assert found.after_scale["mape"] > HOLDS_MAPE
    assert found.covered < 0.9


def test_the_figures_are_those_of_its_networks(machine: Machine) -> None:
    machine.slowness = 1.2
    found = evaluated(profile_of(DEVICE), machine)
    document = found.to_dict()
    there = np.array([one["predicted_ms"] for one in document["networks"]])
    here = np.array([one["measured_ms"] for one in document["networks"]])
    assert document["scale"] == pytest.approx(float(np.median(here / there)), abs=1e-3)
    assert document["mape"] == pytest.approx(
        float(np.abs(there * found.scale / here - 1).mean()), abs=1e-5
    )
    assert document["without_scale"] == prediction_error(there, here)
    assert (document["holds"], document["n"]) == (True, N)


def test_intervals_count_after_the_scale() -> None:
    """Nine ratios of 1.5 and one that is 10 % off it, with intervals of 5 %."""
    networks = fresh_networks(profile_of(DEVICE), TINY, 10, 0)
    ratios = [1.5] * 9 + [1.65]
    records = [
        RoundRecord(0, a.key, DEVICE.predict(a, num_classes=10).ms * by)
        for (_, a), by in zip(networks, ratios, strict=True)
    ]
    found = compare(profile_of(DEVICE), networks, SessionResults(records=records))
    assert (found.covered, found.outside) == (0.9, 0)
    assert found.scale == pytest.approx(1.5)
    ranged = profile_of(replace(DEVICE, ranges={"softmax": {}}))
    assert compare(ranged, networks, SessionResults(records=records)).outside == 10


def test_fresh_networks_are_none_that_the_profile_was_fitted_to() -> None:
    space = load_space("mobilevit")
    first = fresh_networks(profile_of(DEVICE), space, 10, 0)
    published = [name for name in published_names() if space.contains(zoo(name))]
    assert [name for name, _ in first[10:]] == published
    assert len({a.key for _, a in first}) == len(first)
    seen = [first[0][1].key, zoo("mobilevit_s").key]
    test = first[1][1].key
    anchors = (*({"key": key, "fitted": True} for key in seen), {"key": test, "fitted": False})
    again = fresh_networks(profile_of(DEVICE, anchors=anchors), space, 10, 0)
    keys = [a.key for _, a in again]
    assert not set(seen) & set(keys)
    assert test in keys
    assert len(again) == len(first) - 1
    assert fresh_networks(profile_of(DEVICE), space, 10, 1)[:10] != first[:10]


def test_a_space_with_too_few_networks_is_one_line() -> None:
    few = SearchSpace(SPACES["independent choices"] | {"stages": [{"width": [16, 24]}]})
    assert len(fresh_networks(profile_of(DEVICE), few, 8, 0)) == 8
    with pytest.raises(
        LatencyError,
        match=r" has no 9 networks to which made-up was not fitted; choose a smaller n$",
    ):
        fresh_networks(profile_of(DEVICE), few, 9, 0)


def test_the_settings_are_the_profiles_own() -> None:
    runtime = {"name": "command", "version": None, "threads": 3, "command": "run {model}"}
    found = settings_of(profile_of(DEVICE, runtime=runtime, batch_size=4, dtype="int8"), seed=7)
    assert found == TimingSettings(
        runtime="command",
        threads=3,
        batch_size=4,
        dtype="int8",
        num_classes=10,
        command="run {model}",
        seed=7,
    )


def test_published_figures_cannot_be_measured_again() -> None:
    with pytest.raises(
        LatencyError,
        match=(
            r"^iphone12-coreml rests on published figures \(.*\); they cannot be measured again"
            r" here$"
        ),
    ):
        evaluate_profile(load_profile("iphone12-coreml"), TINY, n=N)


def test_a_runtime_that_is_not_here_is_one_line() -> None:
    with pytest.raises(PluginError, match=r"^unknown runtime 'made_up'"):
        evaluated(profile_of(DEVICE), Machine(DEVICE))
