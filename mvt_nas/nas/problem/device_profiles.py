"""The devices of a run: from the name behind ``latency_ms@`` to a profile, and the copies that a run folder keeps.

A run goes on with its own copies, so that it does not matter what becomes of the profiles that were
installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from mvt_nas.cost.reductions import KernelCost
from mvt_nas.errors import LatencyError, MetricError, RunError
from mvt_nas.latency.model.vectorized import vectorized_ms
from mvt_nas.latency.profile import DeviceProfile
from mvt_nas.latency.profile_lookup import default_profile_name, load_profile
from mvt_nas.metrics.metric import Metric

FOLDER = "devices"

Devices = Mapping[Metric, DeviceProfile]
"""Latency (``latency_ms@NAME``, ``segmentation.latency_ms@NAME``) to the profile that predicts
it."""


class DeviceProfiles:
    """Finds out what people mean by a latency, and remembers the profiles.

    Args:
        kept: the devices of a run that goes on.

    Attributes:
        found: the profiles that were meant so far.
    """

    def __init__(self, kept: Devices | None = None) -> None:
        self._kept = dict(kept or {})
        self.found: dict[Metric, DeviceProfile] = {}

    def resolve(self, metric: Metric) -> Metric:
        """Return a metric, of a latency the one on its device, by the name of the device's profile.

        Raises:
            LatencyError: there is no such device, or its profile is damaged.
            MetricError: two different profiles have one name.
        """
        if not metric.is_latency:
            return metric
        return self._note(metric, self._profile(metric))

    def keep(self, metric: Metric) -> None:
        """Take a device from the run that goes on."""
        if metric in self._kept:
            self._note(metric, self._kept[metric])

    def _profile(self, metric: Metric) -> DeviceProfile:
        try:
            return load_profile(metric.device or default_profile_name())
        except LatencyError:
            if metric in self._kept:
                return self._kept[metric]
            raise

    def _note(self, latency: Metric, profile: DeviceProfile) -> Metric:
        metric = latency.on_device(profile.name)
        other = self.found.setdefault(metric, profile)
        if other.hash == profile.hash:
            return metric
        old = self._kept[metric].hash if metric in self._kept else None
        if old not in (other.hash, profile.hash):
            raise MetricError(
                f"{metric} is the name of two profiles (hash {other.hash} and {profile.hash}); give"
                " one another name"
            )
        if (
            other.hash == old
        ):  # the run's own is not what was asked for, which is then refused like any other setting
            self.found[metric] = profile
        return metric


def latency_costs(devices: Devices, task: str | None = None) -> list[KernelCost]:
    """Return what cost tables sum to predict the latencies of classification or of a task; they bear the devices' names only."""
    return [
        KernelCost(
            metric.for_task(None).full_name,
            vectorized_ms(profile.predictor),
            profile.predictor.fixed_ms,
            profile.batch_size,
        )
        for metric, profile in devices.items()
        if metric.task == task
    ]


def hashes(devices: Devices) -> dict[str, str]:
    """Return the content hash of each profile by the name of its device."""
    return {profile.name: profile.hash for profile in devices.values()}


def write_devices(folder: Path, devices: Devices) -> None:
    """Write copies of the profiles into a run folder.

    Raises:
        RunError: they cannot be written.
    """
    for profile in devices.values():
        try:
            profile.write(_copy(folder, profile.name))
        except LatencyError as error:
            raise RunError(str(error)) from None


def read_devices(
    folder: Path, expected: Mapping[str, str], metrics: Iterable[Metric]
) -> dict[Metric, DeviceProfile]:
    """Return, for the latencies among a run's metrics, the profiles in its folder whose names and hashes its configuration records.

    Raises:
        RunError: a copy is missing, damaged, or not the one that the run was started with.
    """
    profiles = {name: _read(_copy(folder, name), digest) for name, digest in expected.items()}
    return {metric: profiles[metric.device or ""] for metric in metrics if metric.is_latency}


def unknown_devices(metrics: Iterable[Metric], known: Iterable[str]) -> list[Metric]:
    """Return the latencies among some metrics that are of no known device."""
    names = set(known)
    return [metric for metric in metrics if metric.is_latency and metric.device not in names]


def _copy(folder: Path, name: str) -> Path:
    return folder / FOLDER / f"{name}.json"


def _read(path: Path, digest: str) -> DeviceProfile:
    try:
        profile = DeviceProfile.read(path)
    except LatencyError as error:
        raise RunError(
            f"the run's copy of a device cannot be used ({error}); restore it or start a new run"
        ) from None
    if profile.hash != digest:
        raise RunError(
            f"the run's copy of a device was changed ({path}: hash {profile.hash}, not {digest});"
            " restore it"
        )
    return profile
