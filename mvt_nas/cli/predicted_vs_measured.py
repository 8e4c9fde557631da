"""Predictions of a device's profile next to the results of ``mvt-nas latency measure``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mvt_nas.cli.measure_front import slower
from mvt_nas.cli.network_spec import DEFAULT_CLASSES
from mvt_nas.errors import ExportError
from mvt_nas.export.base import read_architecture
from mvt_nas.latency.latency_profile import LatencyProfile
from mvt_nas.latency.timing.measure import LatencyMeasurement
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task, at_resolution

HEADER = ["predicted ms", "90 % interval", "measured is"]

Prediction = dict[str, Any]
"""Device, milliseconds, interval and extrapolated kernels, as plain data."""


def predict_measured(
    measured: Sequence[LatencyMeasurement],
    networks: Sequence[Architecture | Path],
    num_classes: int,
    task: Task | None,
    device: LatencyProfile,
) -> list[Prediction | None]:
    """Return the prediction for each measured network.

    It is ``None`` for an ONNX file that contains no architecture.
    """
    return [
        _prediction(measurement, network, num_classes, task, device)
        for measurement, network in zip(measured, networks, strict=True)
    ]


def _prediction(
    measured: LatencyMeasurement,
    network: Architecture | Path,
    num_classes: int,
    task: Task | None,
    device: LatencyProfile,
) -> Prediction | None:
    if isinstance(network, Path):
        architecture, num_classes, task = _exported(network)
    else:
        architecture = network
    if architecture is None:
        return None
    batch_size, _, side_px, _ = measured.input_shape
    found = device.predictor.predict(
        replace(architecture, resolution_px=side_px),
        batch_size=batch_size,
        num_classes=num_classes,
        task=None if task is None else at_resolution(task, side_px),
    )
    return {
        "device": device.name,
        "ms": found.ms,
        "low_ms": found.low_ms,
        "high_ms": found.high_ms,
        "outside": found.outside,
        "strange": list(found.uncalibrated),
    }


def _exported(path: Path) -> tuple[Architecture | None, int, Task | None]:
    """Return architecture, number of classes and task in an ONNX file of ``mvt-nas export``.

    The architecture is ``None`` for other files, which can be measured all the same.
    """
    try:
        exported = read_architecture(path)
    except ExportError:
        return None, 0, None
    num_classes = int(str(exported.settings.get("num_classes", DEFAULT_CLASSES)))
    return exported.architecture, num_classes, exported.task


def format_cells(ms: float, predicted: Prediction | None) -> list[str]:
    """Return the cells under :data:`HEADER` for a network with a measured latency."""
    if predicted is None:
        return ["-", "-", "-"]
    interval = f"{predicted['low_ms']:.4g} to {predicted['high_ms']:.4g}"
    return [f"{predicted['ms']:.4g}", interval, slower(ms / predicted["ms"])]


def print_comparison_notes(
    device: LatencyProfile, surroundings: dict[str, Any], predicted: Sequence[Prediction | None]
) -> None:
    """Print the device of the predictions, and reasons why they may differ from measurements."""
    processor = device.device.get("cpu") or device.device.get("name") or "a device behind a command"
    here = ", this machine" if device.is_here() else ""
    click.echo(
        f"predicted for {device.name}: {device.runtime['name']}, {device.dtype}; {processor}{here}"
    )
    if _differs(device, surroundings["runtime"]):
        click.echo(
            f"warning: {device.name} is for another runtime, data type or number of threads than"
            " the measurement",
            err=True,
        )
    if any(prediction and prediction["outside"] > 0 for prediction in predicted):
        click.echo(
            f"warning: some networks have kernels unlike those that {device.name} rests on: their"
            " intervals may not hold",
            err=True,
        )


def _differs(device: LatencyProfile, runtime: dict[str, Any]) -> bool:
    """Return True if a profile is for other settings than those measured, where both are known."""
    names = {device.runtime["name"], runtime["name"]} - {"command"}
    threads = {device.runtime.get("threads"), runtime["threads"]} - {None}
    return len(names) > 1 or len(threads) > 1 or device.dtype != runtime["dtype"]
