"""``mvt-nas latency evaluate``: whether a profile still holds on this machine, by networks that it has never seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mvt_nas.errors import LatencyError
from mvt_nas.latency.calibration.measurement_session import (
    Listener,
    MeasurementSession,
    SessionResults,
    run_session,
)
from mvt_nas.latency.model.prediction_error import prediction_error, scale_between
from mvt_nas.latency.profile import DeviceProfile
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published_names, zoo
from mvt_nas.space.search_space import SearchSpace

HOLDS_MAPE = 0.05
"""A profile holds where its mean error, after the factor of the machine's speed, is at most
this."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Predictions beside fresh measurements.

    Attributes:
        networks: titles.
        measured_ms: as measured, on the machine at its quickest.
        predicted_ms: by the profile, its ``scale`` not applied.
        covered: share of the measurements inside the predictions' intervals, after the scale.
        outside: how many networks have kernels unlike any that was calibrated.
        noise_floor: by what two measurements of one network differ on average, see
            :class:`~mvt_nas.latency.calibration.median_polish.SessionEffects`.
        scale: the one factor by which this machine is slower now than the profile says.
    """

    networks: tuple[str, ...]
    measured_ms: tuple[float, ...]
    predicted_ms: tuple[float, ...]
    covered: float
    outside: int
    noise_floor: float
    scale: float

    @property
    def after_scale(self) -> dict[str, float]:
        """Figures of quality with the predictions times the scale."""
        return prediction_error(np.array(self.predicted_ms) * self.scale, self.measured_ms)

    @property
    def before_scale(self) -> dict[str, float]:
        """Figures of quality with the predictions as they are."""
        return prediction_error(self.predicted_ms, self.measured_ms)

    @property
    def holds(self) -> bool:
        """Whether the profile may be trusted here, up to the scale."""
        return self.after_scale["mape"] <= HOLDS_MAPE

    def to_dict(self) -> dict[str, Any]:
        """Return the evaluation as plain data; the figures are those after the scale."""
        pairs = zip(self.networks, self.measured_ms, self.predicted_ms, strict=True)
        return {
            **self.after_scale,
            "scale": round(self.scale, 5),
            "noise_floor": round(self.noise_floor, 5),
            "covered": round(self.covered, 5),
            "outside": self.outside,
            "holds": self.holds,
            "without_scale": self.before_scale,
            "networks": [
                {"network": name, "measured_ms": ms, "predicted_ms": there}
                for name, ms, there in pairs
            ],
        }


def fresh_networks(
    profile: DeviceProfile, space: SearchSpace, n: int, seed: int
) -> list[tuple[str, Architecture]]:
    """Return ``n`` random networks of a space and its published ones, none of which the profile was fitted to.

    Raises:
        LatencyError: the space has too few networks.
    """
    fitted = {anchor.get("key") for anchor in profile.anchors if anchor.get("fitted")}
    published = {
        zoo(name).key: (name, zoo(name)) for name in published_names() if space.contains(zoo(name))
    }
    drawn = {
        a.key: a
        for a in space.decode_many(space.sample(4 * n + 20, seed))
        if a.key not in published
    }
    fresh = [
        (f"random{number}", a)
        for number, a in enumerate((a for a in drawn.values() if a.key not in fitted), start=1)
    ]
    if len(fresh) < n:
        raise LatencyError(
            f"{space.name} has no {n} networks to which {profile.name} was not fitted; a smaller n"
            " does it"
        )
    return [*fresh[:n], *(named for key, named in published.items() if key not in fitted)]


def evaluate_profile(
    profile: DeviceProfile,
    space: SearchSpace,
    *,
    n: int = 40,
    seed: int = 0,
    minutes: float = 8.0,
    passes: int = 2,
    listener: Listener | None = None,
) -> Evaluation:
    """Return predictions beside fresh measurements under the profile's own settings.

    Args:
        profile: what to evaluate.
        space: from which fresh networks are drawn.
        n: random networks; the published ones come on top.
        seed: of the draw.
        minutes: for everything, about.
        passes: how often each network is measured.
        listener: is told each heat.

    Raises:
        LatencyError: the profile's runtime cannot be used here.
    """
    networks = fresh_networks(profile, space, n, seed)
    campaign = MeasurementSession(tuple(networks), settings_of(profile, seed), minutes, passes)
    return compare(profile, networks, run_session(campaign, listener=listener))


def settings_of(profile: DeviceProfile, seed: int = 0) -> TimingSettings:
    """Return how the profile was measured.

    Raises:
        LatencyError: it was not measured by this program, so that nobody can repeat it.
    """
    if profile.source != "measured":
        raise LatencyError(
            f"{profile.name} rests on published figures ({profile.source}); they cannot be measured"
            " again here"
        )
    return TimingSettings(
        runtime=str(profile.runtime["name"]),
        threads=profile.threads,
        dtype=profile.dtype,
        batch_size=profile.batch_size,
        num_classes=profile.num_classes,
        command=profile.runtime.get("command"),
        seed=seed,
    )


def compare(
    profile: DeviceProfile, networks: Sequence[tuple[str, Architecture]], results: SessionResults
) -> Evaluation:
    """Return what a profile predicts beside what was measured."""
    tied = results.tied()
    predict, batch_size, classes = (
        profile.predictor.predict,
        profile.batch_size,
        profile.num_classes,
    )
    predictions = [
        predict(architecture, batch_size=batch_size, num_classes=classes)
        for _, architecture in networks
    ]
    measured = np.array([tied.ms[architecture.key] for _, architecture in networks])
    scale = scale_between([p.ms for p in predictions], measured)
    inside = [
        p.low_ms <= ms / scale <= p.high_ms for p, ms in zip(predictions, measured, strict=True)
    ]
    return Evaluation(
        networks=tuple(name for name, _ in networks),
        measured_ms=tuple(round(float(ms), 5) for ms in measured),
        predicted_ms=tuple(round(p.ms, 5) for p in predictions),
        covered=float(np.mean(inside)),
        outside=sum(p.outside > 0 for p in predictions),
        noise_floor=tied.noise,
        scale=scale,
    )
