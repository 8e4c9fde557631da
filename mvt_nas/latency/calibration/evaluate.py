"""Evaluation of a profile on this machine, on new networks (``mvt-nas latency evaluate``)."""

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
from mvt_nas.latency.latency_profile import LatencyProfile
from mvt_nas.latency.model.prediction_error import prediction_error, scale_between
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.latency.timing.stopwatch import Clock
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published_names, zoo
from mvt_nas.space.search_space import SearchSpace

HOLDS_MAPE = 0.05
"""Largest mean error, after scaling by the machine's speed, at which a profile is valid."""

DIGITS = 5


@dataclass(frozen=True, slots=True)
class ProfileEvaluation:
    """Predictions and new measurements of the same networks.

    Attributes:
        networks: Titles of the networks.
        measured_ms: Measured latencies in the fastest round, in milliseconds.
        predicted_ms: Latencies predicted by the profile, without ``scale``.
        covered: Share of the measurements inside the predictions' intervals, after scaling.
        outside: Number of networks with kernels unlike any calibrated one.
        noise_floor: Mean difference between two measurements of one network, see
            :class:`~mvt_nas.latency.calibration.median_polish.SessionEffects`.
        scale: Factor by which this machine is slower now than the profile.
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
        """Error statistics of the predictions times the scale."""
        return prediction_error(np.array(self.predicted_ms) * self.scale, self.measured_ms)

    @property
    def before_scale(self) -> dict[str, float]:
        """Error statistics of the predictions without the scale."""
        return prediction_error(self.predicted_ms, self.measured_ms)

    @property
    def holds(self) -> bool:
        """Whether the profile is valid on this machine, up to the scale."""
        return self.after_scale["mape"] <= HOLDS_MAPE

    def to_dict(self) -> dict[str, Any]:
        """Return the evaluation as plain data; the error statistics are those after scaling."""
        triples = zip(self.networks, self.measured_ms, self.predicted_ms, strict=True)
        return {
            **self.after_scale,
            "scale": round(self.scale, DIGITS),
            "noise_floor": round(self.noise_floor, DIGITS),
            "covered": round(self.covered, DIGITS),
            "outside": self.outside,
            "holds": self.holds,
            "without_scale": self.before_scale,
            "networks": [
                {"network": name, "measured_ms": measured, "predicted_ms": predicted}
                for name, measured, predicted in triples
            ],
        }


def fresh_networks(
    profile: LatencyProfile, space: SearchSpace, n: int, seed: int
) -> list[tuple[str, Architecture]]:
    """Return networks that the profile was not fitted to, with titles.

    They are ``n`` random networks of a space and, in addition, its published ones.

    Raises:
        LatencyError: the space has too few networks.
    """
    fitted = {anchor.get("key") for anchor in profile.anchors if anchor.get("fitted")}
    published = {
        zoo(name).key: (name, zoo(name)) for name in published_names() if space.contains(zoo(name))
    }
    # More than n are drawn, since some occur twice or are excluded.
    drawn = {
        architecture.key: architecture
        for architecture in space.decode_many(space.sample(4 * n + 20, seed))
    }
    excluded = fitted | set(published)
    new = [architecture for key, architecture in drawn.items() if key not in excluded]
    if len(new) < n:
        raise LatencyError(
            f"{space.name} has no {n} networks to which {profile.name} was not fitted; choose a"
            " smaller n"
        )
    random = [
        (f"random{number}", architecture) for number, architecture in enumerate(new[:n], start=1)
    ]
    return [*random, *(named for key, named in published.items() if key not in fitted)]


def evaluate_profile(
    profile: LatencyProfile,
    space: SearchSpace,
    *,
    n: int = 40,
    seed: int = 0,
    minutes: float = 8.0,
    passes: int = 2,
    listener: Listener | None = None,
    clock: Clock | None = None,
) -> ProfileEvaluation:
    """Measure new networks with the profile's own settings, and compare with its predictions.

    Args:
        profile: profile to evaluate.
        space: space from which networks are drawn.
        n: number of random networks; the published ones are added.
        seed: random seed.
        minutes: approximate total duration, in minutes.
        passes: number of measurements of each network.
        listener: called after each round of measurements.
        clock: source of time; the clocks of this process by default.

    Raises:
        LatencyError: the profile's runtime cannot be used here.
    """
    networks = fresh_networks(profile, space, n, seed)
    session = MeasurementSession(tuple(networks), settings_of(profile, seed), minutes, passes)
    results = run_session(session, listener=listener, clock=clock)
    return compare(profile, networks, results)


def settings_of(profile: LatencyProfile, seed: int = 0) -> TimingSettings:
    """Return the settings with which a profile was measured.

    Raises:
        LatencyError: the profile rests on published figures, which cannot be measured again.
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
    profile: LatencyProfile, networks: Sequence[tuple[str, Architecture]], results: SessionResults
) -> ProfileEvaluation:
    """Compare the predictions of a profile with measurements."""
    effects = results.effects()
    predictions = [
        profile.predictor.predict(
            architecture, batch_size=profile.batch_size, num_classes=profile.num_classes
        )
        for _, architecture in networks
    ]
    measured = np.array([effects.ms[architecture.key] for _, architecture in networks])
    scale = scale_between([prediction.ms for prediction in predictions], measured)
    inside = [
        prediction.low_ms <= ms / scale <= prediction.high_ms
        for prediction, ms in zip(predictions, measured, strict=True)
    ]
    return ProfileEvaluation(
        networks=tuple(name for name, _ in networks),
        measured_ms=tuple(round(float(ms), DIGITS) for ms in measured),
        predicted_ms=tuple(round(prediction.ms, DIGITS) for prediction in predictions),
        covered=float(np.mean(inside)),
        outside=sum(prediction.outside > 0 for prediction in predictions),
        noise_floor=effects.noise,
        scale=scale,
    )
