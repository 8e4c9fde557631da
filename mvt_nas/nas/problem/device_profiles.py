"""The devices of a run: profiles by the name after ``latency_ms@``, and their copies in the run.

A run is resumed with its own copies, whatever happens to the installed profiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from mvt_nas.cost.reductions import KernelCost
from mvt_nas.errors import LatencyError, MetricError, RunError
from mvt_nas.latency.latency_profile import LatencyProfile
from mvt_nas.latency.model.vectorized import vectorized_ms
from mvt_nas.latency.profile_lookup import default_profile_name, load_profile
from mvt_nas.metrics.metric import Metric

FOLDER = "devices"

Devices = Mapping[Metric, LatencyProfile]
"""Profiles by predicted metric (``latency_ms@NAME``, ``segmentation.latency_ms@NAME``)."""


class DeviceProfiles:
    """Finds the profiles of latencies, and collects them.

    Args:
        kept: The devices of the run that is resumed.

    Attributes:
        found: The profiles that were looked up so far, by metric.
    """

    def __init__(self, kept: Devices | None = None) -> None:
        self._kept = dict(kept or {})
        self.found: dict[Metric, LatencyProfile] = {}

    def resolve(self, metric: Metric) -> Metric:
        """Return a metric; a latency is that on its device, by the name of the device's profile.

        Raises:
            LatencyError: There is no such device, or its profile is damaged.
            MetricError: Two different profiles have the same name.
        """
        if not metric.is_latency:
            return metric
        return self._note(metric, self._profile(metric))

    def keep(self, metric: Metric) -> None:
        """Take the device of a metric from the run that is resumed, if it has one."""
        if metric in self._kept:
            self._note(metric, self._kept[metric])

    def _profile(self, metric: Metric) -> LatencyProfile:
        try:
            return load_profile(metric.device or default_profile_name())
        except LatencyError:
            if metric in self._kept:
                return self._kept[metric]
            raise

    def _note(self, latency: Metric, profile: LatencyProfile) -> Metric:
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
        # The requested profile is not the run's own. Keeping it here lets the comparison of
        # settings refuse it like any other setting.
        if other.hash == old:
            self.found[metric] = profile
        return metric


def latency_costs(devices: Devices, task: str | None = None) -> list[KernelCost]:
    """Return the kernel costs that sum to the latencies of classification or of a task.

    They are named after the devices, without the task.
    """
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
        RunError: A copy cannot be written.
    """
    for profile in devices.values():
        try:
            profile.write(_copy(folder, profile.name))
        except LatencyError as error:
            raise RunError(str(error)) from None


def read_devices(
    folder: Path, expected: Mapping[str, str], metrics: Iterable[Metric]
) -> dict[Metric, LatencyProfile]:
    """Return the profiles in a run folder for the latencies among the run's metrics.

    Args:
        folder: The run folder.
        expected: Content hash of each profile by the name of its device.
        metrics: The metrics of the run.

    Raises:
        RunError: A copy is missing, damaged, or not the one with which the run was started.
    """
    profiles = {name: _read(_copy(folder, name), digest) for name, digest in expected.items()}
    return {metric: profiles[metric.device or ""] for metric in metrics if metric.is_latency}


def _copy(folder: Path, name: str) -> Path:
    return folder / FOLDER / f"{name}.json"


def _read(path: Path, digest: str) -> LatencyProfile:
    try:
        profile = LatencyProfile.read(path)
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
