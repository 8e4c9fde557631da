"""Latency measurement of baselines on this machine, and their storage in a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mvt_nas.errors import LatencyError
from mvt_nas.external_models.base import ExternalModel
from mvt_nas.latency.latency_profile import LatencyProfile
from mvt_nas.latency.runtime import RUNTIMES
from mvt_nas.latency.timing.measure import measure
from mvt_nas.nas.baselines.specification import LoadedBaseline
from mvt_nas.nas.measure_front import SECONDS, fingerprint_of, settings_of_profile
from mvt_nas.nas.runs.baseline import Baseline, merged, read_baselines, write_baselines
from mvt_nas.nas.runs.folder import locked
from mvt_nas.nas.runs.run import Run


def write_measured(run: Run, baselines: Sequence[Baseline]) -> Run:
    """Add baselines to a run and its folder, and return the run.

    A baseline replaces the known one of the same name.

    Raises:
        RunError: Another process works on the folder, or it cannot be written.
    """
    with locked(run.folder):
        everything = merged(read_baselines(run.folder), baselines)
        write_baselines(run.folder, everything)
    return replace(run, baselines=everything)


def measure_baselines(loaded: LoadedBaseline, run: Run, *, seconds: float = SECONDS) -> Baseline:
    """Return a baseline with its latency on each device of the run that is this machine.

    Settings are those of the candidates. Given latencies are not measured, and a measured one
    replaces a predicted one. A note explains each latency that cannot be measured.

    Args:
        loaded: Baseline and its network.
        run: Run with the devices.
        seconds: Timing per device, in seconds; loading the network takes additional time.
    """
    baseline = loaded.baseline
    for metric, profile in run.devices.items():
        name = metric.full_name
        predicted = name in baseline.predicted
        if metric.task != loaded.task or (name in baseline.scores and not predicted):
            continue
        if not profile.is_here():
            if not predicted:
                baseline = baseline.with_note(
                    f"{name} is left out: {profile.name} is not this machine; its owner may give"
                    " it",
                )
            continue
        try:
            timing = _measure(loaded, profile, run.config.num_classes, seconds)
        except LatencyError as error:
            state = "predicted, not measured" if predicted else "left out"
            baseline = baseline.with_note(f"{name} is {state}: {error}")
            continue
        baseline = _with_measurement(baseline, name, timing)
    return baseline


def _with_measurement(baseline: Baseline, name: str, timing: dict[str, Any]) -> Baseline:
    """Return a baseline with a measured latency in place of a predicted one and its notes."""
    return replace(
        baseline,
        scores={**baseline.scores, name: timing.pop("ms")},
        measured={**baseline.measured, name: timing},
        predicted=tuple(other for other in baseline.predicted if other != name),
        notes=tuple(note for note in baseline.notes if not note.startswith(f"{name} ")),
    )


def unmeasured_devices(loaded: LoadedBaseline, run: Run) -> Baseline:
    """Return a baseline with a note for each latency that was not measured."""
    baseline = loaded.baseline
    for metric in run.devices:
        if metric.full_name not in baseline.scores and metric.task == loaded.task:
            baseline = baseline.with_note(f"{metric} is left out: nothing was measured")
    return baseline


def _measure(
    loaded: LoadedBaseline, profile: LatencyProfile, num_classes: int, seconds: float
) -> dict[str, Any]:
    """Return the measured latency of a baseline with its details, as plain data."""
    _check_form(loaded.model, profile)
    settings = replace(
        settings_of_profile(profile, num_classes, seconds),
        resolution_px=loaded.baseline.resolution_px,
    )
    (result,) = measure([(loaded.baseline.name, loaded.model.network)], settings)
    timing = result.timing
    return {
        "ms": timing.ms,
        "low_ms": timing.low_ms,
        "high_ms": timing.high_ms,
        "probe_ms": timing.reference_ms,
        "warnings": list(timing.warnings),
        "fingerprint": fingerprint_of(profile),
    }


def _check_form(model: ExternalModel, profile: LatencyProfile) -> None:
    """Check that the runtime of a device accepts the form of a network.

    Raises:
        LatencyError: The runtime takes PyTorch modules, and the network is an ONNX file.
    """
    name = str(profile.runtime["name"])
    if RUNTIMES.get(name).takes == "module" and isinstance(model.network, Path):
        raise LatencyError(
            f"its runtime {name} takes networks in PyTorch, not ONNX files; MODULE:FUNCTION can be"
            " measured there"
        )
