"""Measuring the networks that a run is compared with on the devices of the run that are this machine, and keeping what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mvt_nas.errors import LatencyError
from mvt_nas.external_models.base import ExternalModel
from mvt_nas.latency.profile import DeviceProfile
from mvt_nas.nas.baselines.specification import LoadedBaseline
from mvt_nas.nas.measure_front import SECONDS, fingerprint_of, settings_of_profile
from mvt_nas.nas.runs.baseline import Baseline, merged, read_baselines, write_baselines
from mvt_nas.nas.runs.folder import locked
from mvt_nas.nas.runs.run import Run


def write_measured(run: Run, baselines: Sequence[Baseline]) -> Run:
    """Return the run with some more baselines, which its folder keeps from now on; those of a known name take its place.

    Raises:
        RunError: another process works on the folder, or it cannot be written.
    """
    with locked(run.folder):
        everything = merged(read_baselines(run.folder), baselines)
        write_baselines(run.folder, everything)
    return replace(run, baselines=everything)


def measure_baselines(told: LoadedBaseline, run: Run, *, seconds: float = SECONDS) -> Baseline:
    """Return a baseline with its latency on each device of the run that is this machine, timed as candidates are.

    A latency that its owner has given is not measured. What cannot be measured is left out, and a
    note says why.

    Args:
        told: the baseline and its network.
        run: whose devices they are.
        seconds: of timing on each device; opening the network comes on top.
    """
    baseline = told.baseline
    for metric, profile in run.devices.items():
        if metric.full_name in baseline.scores or metric.task != told.task:
            continue
        if not profile.is_here():
            baseline = _noted(
                baseline,
                f"{metric} is left out: {profile.name} is not this machine; its owner may give it",
            )
            continue
        try:
            one = _timed(told, profile, run.config.num_classes, seconds)
        except LatencyError as error:
            baseline = _noted(baseline, f"{metric} is left out: {error}")
            continue
        scores = {**baseline.scores, metric.full_name: one.pop("ms")}
        details = {**baseline.measured, metric.full_name: one}
        baseline = replace(baseline, scores=scores, measured=details)
    return baseline


def unmeasured_devices(told: LoadedBaseline, run: Run) -> Baseline:
    """Return a baseline whose latencies are left out, with a note that says so."""
    baseline = told.baseline
    for metric in run.devices:
        if metric.full_name not in baseline.scores and metric.task == told.task:
            baseline = _noted(baseline, f"{metric} is left out: nothing was measured")
    return baseline


def _noted(baseline: Baseline, note: str) -> Baseline:
    return replace(baseline, notes=(*baseline.notes, note))


def _timed(
    told: LoadedBaseline, profile: DeviceProfile, num_classes: int, seconds: float
) -> dict[str, Any]:
    from mvt_nas.latency.timing.measure import measure

    _check_form(told.foreign, profile)
    settings = replace(
        settings_of_profile(profile, num_classes, seconds),
        resolution_px=told.baseline.resolution_px,
    )
    (found,) = measure([(told.baseline.name, told.foreign.network)], settings)
    timing = found.timing
    return {
        "ms": timing.ms,
        "low_ms": timing.low_ms,
        "high_ms": timing.high_ms,
        "probe_ms": timing.reference_ms,
        "warnings": list(timing.warnings),
        "fingerprint": fingerprint_of(profile),
    }


def _check_form(foreign: ExternalModel, profile: DeviceProfile) -> None:
    from pathlib import Path

    from mvt_nas.latency.runtime import RUNTIMES

    name = str(profile.runtime["name"])
    if RUNTIMES.get(name).takes == "module" and isinstance(foreign.network, Path):
        raise LatencyError(
            f"its runtime {name} takes networks in PyTorch, not ONNX files; MODULE:FUNCTION can be"
            " measured there"
        )
