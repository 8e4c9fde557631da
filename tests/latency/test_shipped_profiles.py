"""The shipped profiles: what they predict, and that published devices are reproduced."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mvt_nas import zoo
from mvt_nas.latency.calibration.fit_from_times import TimesOrigin, profile_from_times
from mvt_nas.latency.calibration.latency_csv import read_measurements
from mvt_nas.latency.model.kernels import LANES
from mvt_nas.latency.model.roofline import ROOFLINE
from mvt_nas.latency.profile_lookup import SHIPPED, load_profile
from mvt_nas.space.published import published_names

pytestmark = pytest.mark.usefixtures("devices")

CSV_FILES = Path(__file__).parents[2] / "results" / "devices"
PUBLISHED_DEVICES = sorted(path.stem for path in CSV_FILES.glob("*.csv"))
SHIPPED_NAMES = sorted(path.stem for path in SHIPPED.glob("*.json"))
FAMILIES = {
    "v1": ("mobilevit_xxs", "mobilevit_xs", "mobilevit_s"),
    "v2": tuple(f"mobilevitv2_{width:03}" for width in range(50, 201, 25)),
    "v3": ("mobilevitv3_xxs", "mobilevitv3_xs", "mobilevitv3_s"),
}


@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_what_ships_predicts_the_published_models(name: str) -> None:
    found = load_profile(name)
    assert found.name == name
    assert found.quality["mape"] < 0.1
    predictions = {model: found.predictor.predict(zoo(model)) for model in published_names()}
    assert len(predictions) == 19
    for one in predictions.values():
        assert 0 < one.low_ms < one.ms < one.high_ms < math.inf
    for members in FAMILIES.values():
        ms = [predictions[model].ms for model in members]
        assert ms == sorted(ms)
        assert ms[-1] > 1.3 * ms[0]


@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_what_ships_agrees_with_its_own_anchors(name: str) -> None:
    found = load_profile(name)
    known = {
        anchor["network"]: anchor
        for anchor in found.anchors
        if anchor["network"] in published_names()
    }
    checked = 0
    for model, anchor in known.items():
        architecture = (
            zoo(model)
            if anchor.get("resolution_px", 256) == 256
            else replace(zoo(model), resolution_px=384)
        )
        if architecture.key == anchor["key"]:
            checked += 1
            assert found.predictor.predict(architecture).ms == pytest.approx(
                anchor["predicted_ms"], abs=1e-5
            )
            assert anchor["predicted_ms"] == pytest.approx(anchor["ms"], rel=0.35)
    assert checked >= 4


@pytest.mark.parametrize("name", PUBLISHED_DEVICES)
def test_published_devices_are_reproduced_from_their_figures(name: str) -> None:
    shipped = load_profile(name)
    origin = TimesOrigin(name, shipped.device["name"], shipped.runtime["name"], shipped.source)
    made = profile_from_times(
        read_measurements(CSV_FILES / f"{name}.csv"), origin, base_profile="roofline", penalty=0.001
    )
    assert made.predictor.fixed_ms == pytest.approx(shipped.predictor.fixed_ms, abs=1e-6)
    assert set(made.predictor.coefficients) == set(shipped.predictor.coefficients)
    for kind, terms in made.predictor.coefficients.items():
        assert terms == pytest.approx(
            dict(shipped.predictor.coefficients[kind]), rel=1e-6, abs=1e-6
        )
    assert made.predictor.relative_error == pytest.approx(
        shipped.predictor.relative_error, abs=1e-6
    )
    assert made.quality == pytest.approx(shipped.quality, abs=1e-5)
    assert set(made.predictor.coefficients) <= set(ROOFLINE)


@pytest.mark.parametrize(
    ("name", "most"), [("i7-12700h-torch-compile", 0.037), ("i9-10940x-torch-compile", 0.082)]
)
def test_figures_of_other_peoples_devices_are_predicted_without_having_been_seen(
    name: str, most: float
) -> None:
    """Leave networks out by hand: each is missing from the data of its own prediction."""
    measurements = read_measurements(CSV_FILES / f"{name}.csv")
    relative = []
    for index, one in enumerate(measurements):
        rest = measurements[:index] + measurements[index + 1 :]
        fitted = profile_from_times(
            rest, TimesOrigin("other", "x", "x"), base_profile="roofline", penalty=0.001
        )
        relative.append(abs(fitted.predictor.predict(one.architecture).ms / one.ms - 1))
    assert np.mean(relative) < most
    assert np.mean(relative) == pytest.approx(load_profile(name).quality["mape"], abs=1e-4)
    assert LANES == 16
