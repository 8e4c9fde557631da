"""Calibration: measuring a machine and fitting its profile (``mvt-nas latency profile``)."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.blocks.graph import Graph
from mvt_nas.errors import LatencyError
from mvt_nas.latency.calibration.measurement_session import (
    Listener,
    MeasurementSession,
    SessionResults,
    run_session,
)
from mvt_nas.latency.calibration.median_polish import SessionEffects
from mvt_nas.latency.calibration.reference_networks import (
    ReferenceNetworks,
    choose_reference_networks,
)
from mvt_nas.latency.fingerprint import fingerprint
from mvt_nas.latency.latency_profile import LatencyProfile
from mvt_nas.latency.model.fit import FittedLatencyModel, describe_fit, fit_model
from mvt_nas.latency.model.prediction_error import half_width, prediction_error
from mvt_nas.latency.model.predictor import Coefficients, Predictor
from mvt_nas.latency.model.roofline import NAME as ROOFLINE_NAME
from mvt_nas.latency.model.roofline import ROOFLINE
from mvt_nas.latency.profile_lookup import load_profile, profile_files
from mvt_nas.latency.runtime import usable_runtime
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.latency.timing.stopwatch import Clock
from mvt_nas.models.lowering import lower
from mvt_nas.space.search_space import SearchSpace

TO_FIT = 36
TO_TEST = 15
MOST_NETWORKS = 500
DIGITS = 5
"""Decimals of milliseconds and factors in profiles."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class CalibrationPlan:
    """Settings of a calibration.

    Attributes:
        name: Name of the profile.
        space: Space from which networks are chosen.
        settings: Settings of the measurement.
        minutes: Approximate total duration, in minutes.
        to_fit: Number of networks to fit the model to.
        to_test: Number of other networks to evaluate the model on.
        passes: Number of measurements of each network.

    Raises:
        LatencyError: the name or a number is not allowed.
    """

    name: str
    space: SearchSpace
    settings: TimingSettings
    minutes: float = 8.0
    to_fit: int = TO_FIT
    to_test: int = TO_TEST
    passes: int = 2

    def __post_init__(self) -> None:
        check_name(self.name)
        if not 0 < self.minutes < float("inf"):
            raise LatencyError(f"minutes = {self.minutes} is not allowed; a number above 0")
        for name, least in (("to_fit", 4), ("to_test", 2), ("passes", 1)):
            if not least <= getattr(self, name) <= MOST_NETWORKS:
                raise LatencyError(
                    f"{name} = {getattr(self, name)} is not allowed; an integer from {least} to"
                    f" {MOST_NETWORKS}"
                )


def check_name(name: str) -> None:
    """Check the name of a profile.

    Raises:
        LatencyError: the name is not allowed.
    """
    if not _NAME.fullmatch(name):
        raise LatencyError(
            f"the name {name!r} is not allowed; letters, digits, '.', '_' and '-', the first a"
            " letter or digit"
        )


def calibrate(
    plan: CalibrationPlan,
    path: Path,
    *,
    restart: bool = False,
    listener: Listener | None = None,
    clock: Clock | None = None,
) -> LatencyProfile:
    """Measure this machine, or the device behind a command, and write its profile.

    Measurements are kept in a journal next to ``path`` until the profile is written, so that an
    interrupted calibration can be resumed.

    Args:
        plan: settings of the calibration.
        path: file of the profile.
        restart: whether to discard the measurements of an interrupted calibration.
        listener: called after each round of measurements.
        clock: source of time; the clocks of this process by default.

    Returns:
        The profile.

    Raises:
        LatencyError: the runtime cannot be used, or a network cannot be measured.
        RunError: the journal cannot be read or written.
    """
    runtime = usable_runtime(plan.settings.runtime, plan.settings.dtype)
    networks = choose_reference_networks(
        plan.space, to_fit=plan.to_fit, to_test=plan.to_test, seed=plan.settings.seed
    )
    settings = replace(plan.settings, batch_size=plan.settings.batch_size or 1)
    session = MeasurementSession(networks.all, settings, plan.minutes, plan.passes, kernels=True)
    journal = path.with_name(f".{path.stem}.partial.jsonl")
    results = run_session(session, journal=journal, restart=restart, listener=listener, clock=clock)
    surroundings = fingerprint(
        runtime, threads=settings.threads, command=settings.command, dtype=settings.dtype
    )
    profile = profile_of(plan.name, networks, results, settings, surroundings)
    profile.write(path)
    journal.unlink(missing_ok=True)
    return profile


def known_base_profiles(*, but: str | None = None) -> dict[str, Coefficients]:
    """Return the coefficients of all measured profiles and of the roofline, by name.

    Args:
        but: name of a profile to leave out.
    """
    base_profiles: dict[str, Coefficients] = {ROOFLINE_NAME: ROOFLINE}
    for name in profile_files():
        profile = load_profile(name)
        if name != but and profile.source == "measured":
            base_profiles[name] = profile.predictor.coefficients
    return base_profiles


def profile_of(
    name: str,
    networks: ReferenceNetworks,
    results: SessionResults,
    settings: TimingSettings,
    surroundings: Mapping[str, Any],
) -> LatencyProfile:
    """Return the profile fitted to the measurements of networks.

    Args:
        name: name of the profile.
        networks: networks to fit to and test networks.
        results: measurements of the networks.
        settings: settings of the measurements.
        surroundings: fingerprint of the measured device.
    """
    effects = results.effects()
    batch_size = settings.batch_size or 1
    keys = [architecture.key for _, architecture in networks.all]
    graphs = [
        lower(architecture, batch_size=batch_size, num_classes=settings.num_classes)
        for _, architecture in networks.all
    ]
    ms = np.array([effects.ms[key] for key in keys])
    fitted = len(networks.to_fit)
    kernel_times = [results.kernels[key] for key in keys[:fitted] if key in results.kernels]
    model = fit_model(
        graphs[:fitted],
        ms[:fitted],
        base_profiles=known_base_profiles(but=name),
        kernel_times=kernel_times,
    )
    predicted = predicted_ms(model.predictor, graphs)
    # The interval comes from networks that the model did not see: held out or test networks.
    unseen = np.concatenate([model.held_out_ms, predicted[fitted:]])
    quality = prediction_error(predicted[fitted:], ms[fitted:])
    runtime = surroundings["runtime"]
    if settings.command:
        runtime = {**runtime, "command": settings.command}
    return LatencyProfile(
        name=name,
        predictor=replace(model.predictor, relative_error=half_width(unseen, ms)),
        runtime=runtime,
        device=surroundings["device"],
        source="measured",
        dtype=settings.dtype,
        batch_size=batch_size,
        num_classes=settings.num_classes,
        reference_ms=min(results.reference_ms, default=None),
        base_profile=None if kernel_times else model.fitted.spec.base_profile,
        quality=quality
        | {
            "split": "networks that it was not fitted to",
            "noise_floor": round(effects.noise, DIGITS),
        },
        anchors=_anchors(networks, effects, predicted),
        method=_method(model, results, effects, settings),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def predicted_ms(predictor: Predictor, graphs: Sequence[Graph]) -> FloatArray:
    """Return the predicted milliseconds of lowered networks, (n,)."""
    return np.array([float(predictor.kernels_ms(graph)) + predictor.fixed_ms for graph in graphs])


def _anchors(
    networks: ReferenceNetworks, effects: SessionEffects, predicted: FloatArray
) -> tuple[dict[str, Any], ...]:
    """Return measured and predicted latency of each network, as stored in the profile."""
    return tuple(
        {
            "network": title,
            "key": architecture.key,
            "ms": round(effects.ms[architecture.key], DIGITS),
            "predicted_ms": round(float(ms), DIGITS),
            "fitted": index < len(networks.to_fit),
        }
        for index, ((title, architecture), ms) in enumerate(
            zip(networks.all, predicted, strict=True)
        )
    )


def _method(
    model: FittedLatencyModel,
    results: SessionResults,
    effects: SessionEffects,
    settings: TimingSettings,
) -> dict[str, Any]:
    """Return the description of measurement and fit, as stored in the profile."""
    return {
        "fit": describe_fit(model.fitted.spec),
        "factors": {name: round(value, DIGITS) for name, value in model.fitted.factors.items()},
        "estimator": "10th percentile per heat, heats tied by median polish",
        "heats": len(effects.slowdowns),
        "slowest_heat": round(max(effects.slowdowns.values()), 4),
        "cpu_per_wall": round(results.cpu_per_wall, 3),
        "seed": settings.seed,
    }
