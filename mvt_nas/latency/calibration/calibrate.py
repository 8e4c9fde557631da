"""``mvt-nas latency profile``: from a machine to its profile."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mvt_nas.errors import LatencyError
from mvt_nas.latency.calibration.measurement_session import (
    Listener,
    MeasurementSession,
    SessionResults,
    run_session,
)
from mvt_nas.latency.calibration.reference_networks import (
    ReferenceNetworks,
    choose_reference_networks,
)
from mvt_nas.latency.fingerprint import fingerprint
from mvt_nas.latency.model.fit import FittedLatencyModel, describe_recipe, fit_model
from mvt_nas.latency.model.prediction_error import half_width, prediction_error
from mvt_nas.latency.model.predictor import Coefficients
from mvt_nas.latency.model.roofline import NAME as ROOFLINE_NAME
from mvt_nas.latency.model.roofline import ROOFLINE
from mvt_nas.latency.profile import DeviceProfile
from mvt_nas.latency.profile_lookup import load_profile, profile_files
from mvt_nas.latency.runtime import usable_runtime
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.models.lowering import lower
from mvt_nas.space.search_space import SearchSpace

TO_FIT, TO_JUDGE = 36, 15
MOST_NETWORKS = 500
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class CalibrationPlan:
    """How a profile is to be made.

    Attributes:
        name: of the profile.
        space: from which the networks are taken.
        settings: how to measure.
        minutes: for everything, about.
        to_fit: networks that the model is fitted to.
        to_judge: networks that it is judged by.
        passes: how often each is measured.

    Raises:
        LatencyError: a name or a number that is not allowed.
    """

    name: str
    space: SearchSpace
    settings: TimingSettings
    minutes: float = 8.0
    to_fit: int = TO_FIT
    to_judge: int = TO_JUDGE
    passes: int = 2

    def __post_init__(self) -> None:
        check_name(self.name)
        if not 0 < self.minutes < float("inf"):
            raise LatencyError(f"minutes = {self.minutes} is not allowed; a number above 0")
        for name, least in (("to_fit", 4), ("to_judge", 2), ("passes", 1)):
            if not least <= getattr(self, name) <= MOST_NETWORKS:
                raise LatencyError(
                    f"{name} = {getattr(self, name)} is not allowed; an integer from {least} to"
                    f" {MOST_NETWORKS}"
                )


def check_name(name: str) -> None:
    """Check the name of a profile.

    Raises:
        LatencyError: it is not allowed.
    """
    if not _NAME.fullmatch(name):
        raise LatencyError(
            f"the name {name!r} is not allowed; letters, digits, '.', '_' and '-', the first a"
            " letter or digit"
        )


def calibrate(
    plan: CalibrationPlan, path: Path, *, restart: bool = False, listener: Listener | None = None
) -> DeviceProfile:
    """Return the profile of this machine, or of what the runtime ``command`` runs on, after writing it.

    What is measured is kept beside ``path`` until the profile is there, so that an interrupted
    calibration goes on.

    Raises:
        LatencyError: the runtime cannot be used, or a network cannot be measured.
        RunError: what was measured cannot be kept.
    """
    runtime = usable_runtime(plan.settings.runtime, plan.settings.dtype)
    chosen = choose_reference_networks(
        plan.space, to_fit=plan.to_fit, to_judge=plan.to_judge, seed=plan.settings.seed
    )
    settings = replace(plan.settings, batch_size=plan.settings.batch_size or 1)
    campaign = MeasurementSession(
        (*chosen.to_fit, *chosen.to_judge), settings, plan.minutes, plan.passes, kernels=True
    )
    journal = path.with_name(f".{path.stem}.partial.jsonl")
    results = run_session(campaign, journal=journal, restart=restart, listener=listener)
    found = fingerprint(
        runtime, threads=settings.threads, command=settings.command, dtype=settings.dtype
    )
    profile = profile_of(plan.name, chosen, results, settings, found)
    profile.write(path)
    journal.unlink(missing_ok=True)
    return profile


def known_base_profiles(*, but: str | None = None) -> dict[str, Coefficients]:
    """Return the coefficients of all profiles that were measured, by name, and those of the roofline; one may be left out."""
    donors: dict[str, Coefficients] = {ROOFLINE_NAME: ROOFLINE}
    for name in profile_files():
        profile = load_profile(name)
        if name != but and profile.source == "measured":
            donors[name] = profile.predictor.coefficients
    return donors


def profile_of(
    name: str,
    chosen: ReferenceNetworks,
    results: SessionResults,
    settings: TimingSettings,
    found: Mapping[str, Any],
) -> DeviceProfile:
    """Return the profile that measurements of networks give.

    Args:
        name: of the profile.
        chosen: the networks to fit to and those to judge by.
        results: their measurements.
        settings: how they were measured.
        found: the fingerprint of what they were measured on.
    """
    tied = results.tied()
    batch = settings.batch_size or 1
    graphs = {
        a.key: lower(a, batch_size=batch, num_classes=settings.num_classes)
        for _, a in (*chosen.to_fit, *chosen.to_judge)
    }
    fit_keys, judge_keys = ([a.key for _, a in part] for part in (chosen.to_fit, chosen.to_judge))
    fit_ms, judge_ms = (np.array([tied.ms[key] for key in keys]) for keys in (fit_keys, judge_keys))
    times = [results.kernels[key] for key in fit_keys if key in results.kernels]
    model = fit_model(
        [graphs[key] for key in fit_keys],
        fit_ms,
        donors=known_base_profiles(but=name),
        kernel_times=times,
    )
    fixed = model.predictor.fixed_ms
    judged = np.array(
        [float(model.predictor.kernels_ms(graphs[key])) + fixed for key in judge_keys]
    )
    width = half_width(
        np.concatenate([model.held_out_ms, judged]), np.concatenate([fit_ms, judge_ms])
    )
    figures = prediction_error(judged, judge_ms) | {
        "split": "networks that it was not fitted to",
        "noise_floor": round(tied.noise, 5),
    }
    predicted = [
        *(float(model.predictor.kernels_ms(graphs[key])) + fixed for key in fit_keys),
        *judged,
    ]
    anchors = tuple(
        {
            "network": title,
            "key": a.key,
            "ms": round(tied.ms[a.key], 5),
            "predicted_ms": round(ms, 5),
            "fitted": index < len(fit_keys),
        }
        for index, ((title, a), ms) in enumerate(
            zip((*chosen.to_fit, *chosen.to_judge), predicted, strict=True)
        )
    )
    return DeviceProfile(
        name=name,
        predictor=replace(model.predictor, relative_error=width),
        runtime=(
            {**found["runtime"], "command": settings.command}
            if settings.command
            else found["runtime"]
        ),
        device=found["device"],
        source="measured",
        dtype=settings.dtype,
        batch_size=batch,
        num_classes=settings.num_classes,
        probe_ms=min(results.probe_ms, default=None),
        donor=None if times else model.fitted.recipe.donor,
        quality=figures,
        anchors=anchors,
        method=_method(model, results, settings),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _method(
    model: FittedLatencyModel, results: SessionResults, settings: TimingSettings
) -> dict[str, Any]:
    speeds = results.tied().speeds
    return {
        "fit": describe_recipe(model.fitted.recipe),
        "factors": {name: round(value, 5) for name, value in model.fitted.factors.items()},
        "estimator": "10th percentile per heat, heats tied by median polish",
        "heats": len(speeds),
        "slowest_heat": round(max(speeds.values()), 4),
        "cpu_per_wall": round(results.cpu_per_wall, 3),
        "seed": settings.seed,
    }
