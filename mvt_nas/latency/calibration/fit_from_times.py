"""``mvt-nas latency fit``: a profile from the times of whole networks, drawn towards the most similar known device."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mvt_nas.errors import LatencyError, listing, nearest
from mvt_nas.latency.calibration.calibrate import check_name, known_base_profiles
from mvt_nas.latency.calibration.latency_csv import LatencyRow
from mvt_nas.latency.model.fit import describe_recipe, fit_model
from mvt_nas.latency.model.fit_networks import LEAST_NETWORKS
from mvt_nas.latency.model.prediction_error import prediction_error
from mvt_nas.latency.model.roofline import NAME as ROOFLINE_NAME
from mvt_nas.latency.model.roofline import ROOFLINE
from mvt_nas.latency.profile import DeviceProfile
from mvt_nas.latency.profile_lookup import load_profile
from mvt_nas.models.lowering import lower

LEAVE_ONE_OUT_UP_TO = 40


@dataclass(frozen=True, slots=True)
class TimesOrigin:
    """Where whole-network times come from.

    Attributes:
        name: of the profile.
        device: what the networks ran on, in words.
        runtime: its name.
        source: ``measured by hand``, or where the figures were published.
        threads: that one inference used; ``None`` where nobody says.
        dtype: data type.
        batch_size: images per inference.
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
    donor: str | None = None,
    penalty: float | None = None,
) -> DeviceProfile:
    """Return a profile from whole-network times alone; its quality is judged by leaving networks out, one by one.

    Args:
        measurements: at least four.
        origin: where they come from.
        donor: profile whose proportions are kept, or ``roofline``; the one that fits best without.
        penalty: how hard the factors over the donor are drawn together; chosen by cross-validation
            without one.

    Raises:
        LatencyError: too few measurements, no such donor, or a name or a penalty that is not
            allowed.
    """
    check_name(origin.name)
    if penalty is not None and not 0 <= penalty < float("inf"):
        raise LatencyError(f"penalty = {penalty} is not allowed; a number from 0")
    if len(measurements) < LEAST_NETWORKS:
        raise LatencyError(
            f"{len(measurements)} networks with a figure are too few; at least {LEAST_NETWORKS},"
            " better ten"
        )
    graphs = [lower(one.architecture, batch_size=origin.batch_size) for one in measurements]
    ms = np.array([one.ms for one in measurements])
    donors = known_base_profiles(but=origin.name) if donor is None else {donor: _donor(donor)}
    model = fit_model(
        graphs, ms, donors=donors, penalty=penalty, leave_one_out=len(ms) <= LEAVE_ONE_OUT_UP_TO
    )
    predicted = [
        float(model.predictor.kernels_ms(graph)) + model.predictor.fixed_ms for graph in graphs
    ]
    recipe = model.fitted.recipe
    return DeviceProfile(
        name=origin.name,
        predictor=model.predictor,
        runtime={"name": origin.runtime, "version": None, "threads": origin.threads},
        device={"name": origin.device},
        source=origin.source,
        dtype=origin.dtype,
        batch_size=origin.batch_size,
        donor=recipe.donor,
        quality=prediction_error(model.held_out_ms, ms)
        | {"split": "one network left out at a time"},
        anchors=tuple(
            {
                "network": one.network,
                "resolution_px": one.architecture.resolution_px,
                "key": one.architecture.key,
                "ms": one.ms,
                "predicted_ms": round(there, 5),
                "held_out_ms": round(float(held_out), 5),
                "fitted": True,
            }
            for one, there, held_out in zip(measurements, predicted, model.held_out_ms, strict=True)
        ),
        method={
            "fit": describe_recipe(recipe),
            "factors": {name: round(value, 5) for name, value in model.fitted.factors.items()},
        },
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _donor(name: str) -> Mapping[str, Mapping[str, float]]:
    if name == ROOFLINE_NAME:
        return ROOFLINE
    donors = known_base_profiles()
    if name in donors:
        return donors[name]
    if name.endswith(".json"):
        return load_profile(name).predictor.coefficients
    raise LatencyError(
        f"unknown donor {name!r}{nearest(name, donors)} (known: {listing(donors)}, or the file of a"
        " profile)"
    )
