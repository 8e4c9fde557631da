"""Profiles from the times of whole networks alone (``mvt-nas latency fit``)."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.errors import LatencyError, listing, nearest
from mvt_nas.latency.calibration.calibrate import (
    DIGITS,
    check_name,
    known_base_profiles,
    predicted_ms,
)
from mvt_nas.latency.calibration.latency_csv import LatencyRow
from mvt_nas.latency.latency_profile import LatencyProfile
from mvt_nas.latency.model.fit import describe_fit, fit_model
from mvt_nas.latency.model.fit_networks import LEAST_NETWORKS
from mvt_nas.latency.model.prediction_error import prediction_error
from mvt_nas.latency.model.predictor import Coefficients
from mvt_nas.latency.model.roofline import NAME as ROOFLINE_NAME
from mvt_nas.latency.model.roofline import ROOFLINE
from mvt_nas.latency.profile_lookup import load_profile
from mvt_nas.models.lowering import lower

LEAVE_ONE_OUT_UP_TO = 40
"""Largest number of networks that are held out one at a time, rather than a tenth of them."""


@dataclass(frozen=True, slots=True)
class TimesOrigin:
    """Origin of whole-network times.

    Attributes:
        name: Name of the profile.
        device: Description of the device.
        runtime: Name of the runtime.
        source: ``measured by hand``, or the publication with the figures.
        threads: Threads of one inference; ``None`` where they are unknown.
        dtype: Data type of the inference.
        batch_size: Images per inference.
    """

    name: str
    device: str
    runtime: str
    source: str = "measured by hand"
    threads: int | None = None
    dtype: str = "fp32"
    batch_size: int = 1


def profile_from_times(
    measurements: Sequence[LatencyRow],
    origin: TimesOrigin,
    *,
    base_profile: str | None = None,
    penalty: float | None = None,
) -> LatencyProfile:
    """Return a profile fitted to whole-network times; its quality is that on held-out networks.

    Args:
        measurements: latencies of at least four networks.
        origin: origin of the latencies.
        base_profile: profile whose relative kernel costs serve as the prior, or ``roofline``; the
            one that fits best by default.
        penalty: strength of the penalty on differences between the factors; chosen by
            cross-validation by default.

    Raises:
        LatencyError: there are too few measurements, the base profile is unknown, or a name or the
            penalty is not allowed.
    """
    check_name(origin.name)
    if penalty is not None and not 0 <= penalty < float("inf"):
        raise LatencyError(f"penalty = {penalty} is not allowed; a number from 0")
    if len(measurements) < LEAST_NETWORKS:
        raise LatencyError(
            f"{len(measurements)} networks with a figure are too few; at least {LEAST_NETWORKS},"
            " better ten"
        )
    graphs = [lower(row.architecture, batch_size=origin.batch_size) for row in measurements]
    ms = np.array([row.ms for row in measurements])
    if base_profile is None:
        base_profiles = known_base_profiles(but=origin.name)
    else:
        base_profiles = {base_profile: _base_coefficients(base_profile)}
    model = fit_model(
        graphs,
        ms,
        base_profiles=base_profiles,
        penalty=penalty,
        leave_one_out=len(ms) <= LEAVE_ONE_OUT_UP_TO,
    )
    spec = model.fitted.spec
    factors = {name: round(value, DIGITS) for name, value in model.fitted.factors.items()}
    predicted = predicted_ms(model.predictor, graphs)
    return LatencyProfile(
        name=origin.name,
        predictor=model.predictor,
        runtime={"name": origin.runtime, "version": None, "threads": origin.threads},
        device={"name": origin.device},
        source=origin.source,
        dtype=origin.dtype,
        batch_size=origin.batch_size,
        base_profile=spec.base_profile,
        quality=prediction_error(model.held_out_ms, ms)
        | {"split": "one network left out at a time"},
        anchors=_anchors(measurements, predicted, model.held_out_ms),
        method={"fit": describe_fit(spec), "factors": factors},
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _anchors(
    measurements: Sequence[LatencyRow], predicted: FloatArray, held_out: FloatArray
) -> tuple[dict[str, Any], ...]:
    """Return measured and predicted latency of each network, as stored in the profile."""
    return tuple(
        {
            "network": row.network,
            "resolution_px": row.architecture.resolution_px,
            "key": row.architecture.key,
            "ms": row.ms,
            "predicted_ms": round(float(ms), DIGITS),
            "held_out_ms": round(float(unseen_ms), DIGITS),
            "fitted": True,
        }
        for row, ms, unseen_ms in zip(measurements, predicted, held_out, strict=True)
    )


def _base_coefficients(name: str) -> Coefficients:
    """Return the coefficients of a base profile.

    Args:
        name: name of a measured profile, ``roofline``, or the file of a profile.
    """
    if name == ROOFLINE_NAME:
        return ROOFLINE
    known = known_base_profiles()
    if name in known:
        return known[name]
    if name.endswith(".json"):
        return load_profile(name).predictor.coefficients
    raise LatencyError(
        f"unknown base profile {name!r}{nearest(name, known)} (known: {listing(known)}, or the file"
        " of a profile)"
    )
