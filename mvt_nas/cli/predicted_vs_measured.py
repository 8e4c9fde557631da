"""What a device's profile predicts, beside what ``mvt-nas latency measure`` has measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mvt_nas.cli.measure_front import slower
from mvt_nas.cli.network_spec import DEFAULT_CLASSES
from mvt_nas.tasks.base import at_resolution

if TYPE_CHECKING:
    from mvt_nas.latency.profile import DeviceProfile
    from mvt_nas.latency.timing.measure import LatencyMeasurement
    from mvt_nas.space.architecture import Architecture
    from mvt_nas.tasks.base import Task

HEADER = ["predicted ms", "90 % interval", "measured is"]

Prediction = dict[str, Any]
"""Device, milliseconds, interval, and what lies outside of what was calibrated, as plain data."""


def predictions(
    measured: Sequence[LatencyMeasurement],
    networks: Sequence[Architecture | Path],
    num_classes: int,
    task: Task | None,
    device: DeviceProfile,
) -> list[Any]:
    """Return for each network that was measured what is predicted; ``None`` for an ONNX file that holds no architecture."""
    return [
        _prediction(one, network, num_classes, task, device)
        for one, network in zip(measured, networks, strict=True)
    ]


def _prediction(
    measured: LatencyMeasurement,
    network: Architecture | Path,
    num_classes: int,
    task: Task | None,
    device: DeviceProfile,
) -> Prediction | None:
    architecture, classes, task = (
        _exported(network) if isinstance(network, Path) else (network, num_classes, task)
    )
    if architecture is None:
        return None
    batch_size, _, side_px, _ = measured.input_shape
    sized = None if task is None else at_resolution(task, side_px)
    seen = replace(architecture, resolution_px=side_px)
    found = device.predictor.predict(seen, batch_size=batch_size, num_classes=classes, task=sized)
    figures = {name: getattr(found, name) for name in ("ms", "low_ms", "high_ms", "outside")}
    return {"device": device.name} | figures | {"strange": list(found.strange)}


def _exported(path: Path) -> tuple[Architecture | None, int, Task | None]:
    """Return the architecture, the number of classes and the task in an ONNX file of ``mvt-nas export``."""
    from mvt_nas.errors import ExportError
    from mvt_nas.export.base import read_architecture

    try:
        found = read_architecture(path)
    except ExportError:  # a file from elsewhere can be measured all the same
        return None, 0, None
    return (
        found.architecture,
        int(str(found.settings.get("num_classes", DEFAULT_CLASSES))),
        found.task,
    )


def cells(ms: float, predicted: Prediction | None) -> list[str]:
    """Return what stands under :data:`HEADER` for a network that takes so many milliseconds."""
    if predicted is None:
        return ["-", "-", "-"]
    interval = f"{predicted['low_ms']:.4g} to {predicted['high_ms']:.4g}"
    return [f"{predicted['ms']:.4g}", interval, slower(ms / predicted["ms"])]


def say_of(
    device: DeviceProfile, found: dict[str, Any], predicted: Sequence[Prediction | None]
) -> None:
    """Print for which device it is predicted, and why the figures may differ."""
    there = device.device.get("cpu") or device.device.get("name") or "a device behind a command"
    here = ", this machine" if device.is_here() else ""
    click.echo(
        f"predicted for {device.name}: {device.runtime['name']}, {device.dtype}; {there}{here}"
    )
    if _otherwise(device, found["runtime"]):
        click.echo(
            f"warning: {device.name} is of another runtime, data type or number of threads than was"
            " measured with",
            err=True,
        )
    if any(one and one["outside"] > 0 for one in predicted):
        click.echo(
            f"warning: some networks have kernels unlike those that {device.name} rests on: their"
            " intervals may not hold",
            err=True,
        )


def _otherwise(device: DeviceProfile, runtime: dict[str, Any]) -> bool:
    """Return whether it was measured in another way than the profile is for, as far as both are known."""
    names = {device.runtime["name"], runtime["name"]} - {"command"}
    threads = {device.runtime.get("threads"), runtime["threads"]} - {None}
    return len(names) > 1 or len(threads) > 1 or device.dtype != runtime["dtype"]
