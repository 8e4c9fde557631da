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
from mvt_nas.metrics.names import bare, device_of, is_latency, of_task, task_of

FOLDER = "devices"

Devices = Mapping[str, DeviceProfile]
"""Metric (``latency_ms@NAME``, ``segmentation.latency_ms@NAME``) to the profile that predicts
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
        self.found: dict[str, DeviceProfile] = {}

    def metric(self, name: str) -> str:
        """Return the full name of a metric: a latency's says which device, by the name of its profile.

        Raises:
            LatencyError: there is no such device, or its profile is damaged.
            MetricError: two different profiles have one name.
        """
        if not is_latency(name):
            return name
        return self._note(task_of(name), self._profile(name))

    def keep(self, metric: str) -> None:
        """Take a device from the run that goes on."""
        if metric in self._kept:
            self._note(task_of(metric), self._kept[metric])

    def _profile(self, name: str) -> DeviceProfile:
        try:
            return load_profile(device_of(name) or default_profile_name())
        except LatencyError:
            if name in self._kept:
                return self._kept[name]
            raise

    def _note(self, task: str | None, profile: DeviceProfile) -> str:
        metric = of_task(task, profile.metric)
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
            bare(metric),
            vectorized_ms(profile.predictor),
            profile.predictor.fixed_ms,
            profile.batch_size,
        )
        for metric, profile in devices.items()
        if task_of(metric) == task
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
    folder: Path, expected: Mapping[str, str], metrics: Iterable[str]
) -> dict[str, DeviceProfile]:
    """Return, for the latencies among a run's metrics, the profiles in its folder whose names and hashes its configuration records.

    Raises:
        RunError: a copy is missing, damaged, or not the one that the run was started with.
    """
    profiles = {name: _read(_copy(folder, name), digest) for name, digest in expected.items()}
    return {metric: profiles[device_of(metric) or ""] for metric in metrics if is_latency(metric)}


def unknown_devices(metrics: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the latencies among some metrics that are of no known device."""
    names = set(known)
    return [metric for metric in metrics if is_latency(metric) and device_of(metric) not in names]


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
