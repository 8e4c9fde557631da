"""``mvt-nas latency``: latencies of networks on this machine or behind a command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from mvt_nas.cli.latency_devices import INSPECTING
from mvt_nas.cli.latency_options import (
    COMMAND,
    DTYPE,
    RUNTIME,
    THREADS,
    TIMEOUT,
    runtime_name,
)
from mvt_nas.cli.latency_profiles import CREATING
from mvt_nas.cli.network_spec import DEFAULT_CLASSES, ResolvedNetwork, resolve_network
from mvt_nas.cli.options import JSON
from mvt_nas.cli.predicted_vs_measured import (
    HEADER,
    Prediction,
    format_cells,
    predict_measured,
    print_comparison_notes,
)
from mvt_nas.cli.render import print_json, print_table
from mvt_nas.errors import LatencyError, listing
from mvt_nas.latency.fingerprint import describe, fingerprint
from mvt_nas.latency.latency_profile import LatencyProfile
from mvt_nas.latency.profile_lookup import load_profile
from mvt_nas.latency.runtime import RUNTIMES, usable_runtime
from mvt_nas.latency.timing.measure import (
    REFERENCE_MODEL,
    REFERENCE_RESOLUTION_PX,
    LatencyMeasurement,
    measure,
)
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.report.formatting import format_number
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task, task_from_text


@click.group("latency")
def latency_group() -> None:
    """Measure and predict the latency of networks."""


@latency_group.command("measure")
@click.argument("networks", metavar="NAME|FILE|RUN:ID|FOLDER|FILE.onnx...", nargs=-1, required=True)
@RUNTIME
@THREADS
@DTYPE
@click.option(
    "--batch-size", type=click.IntRange(1), metavar="N", help="Images per inference.  [default: 1]"
)
@click.option(
    "--seconds",
    type=float,
    default=5.0,
    show_default=True,
    metavar="S",
    help="Duration of the timing per network, in seconds.",
)
@click.option(
    "--resolution",
    type=click.IntRange(8, 8192),
    metavar="PX",
    help="Side of the image in pixels.  [default: the architecture's own]",
)
@click.option(
    "--task",
    metavar="NAME[,FIELD=VALUE]",
    help="Add the head of detection or segmentation.  [default: classification]",
)
@click.option(
    "--num-classes",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    help="Outputs of the classifier.  [default: those of the run or the training, or 1000]",
)
@click.option(
    "--device",
    metavar="NAME",
    help="Also show the prediction of this profile (see: mvt-nas latency devices).",
)
@COMMAND
@TIMEOUT
@JSON
def measure_command(
    networks: tuple[str, ...],
    runtime: str | None,
    threads: int,
    dtype: str,
    batch_size: int | None,
    seconds: float,
    resolution: int | None,
    num_classes: int | None,
    task: str | None,
    device: str | None,
    command: str | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Time networks against each other: milliseconds per inference.

    The latency is the 10th percentile over shuffled rounds, with its 95 % interval. For an ONNX
    file that mvt-nas export wrote, --device predicts the network in it.
    """
    if task is not None and any(name.endswith(".onnx") for name in networks):
        raise click.UsageError(
            "--task gives architectures a head; an ONNX file is measured as it is, so leave out one"
            " of the two"
        )
    profile = None if device is None else load_profile(device)
    titled, classes, own_task = _resolve(networks, num_classes)
    settings = TimingSettings(
        runtime=runtime_name(runtime, command),
        threads=threads,
        batch_size=batch_size,
        resolution_px=resolution,
        task=own_task if task is None else task_from_text(task),
        seconds=seconds,
        command=command,
        timeout_s=timeout,
        dtype=dtype,
        num_classes=classes,
    )
    surroundings = fingerprint(
        usable_runtime(settings.runtime, dtype), threads=threads, command=command, dtype=dtype
    )
    measured = measure(titled, settings)
    predicted: list[Prediction | None] = [None] * len(measured)
    if profile:
        bare = [network for _, network in titled]
        predicted = predict_measured(measured, bare, classes, settings.task, profile)
    if as_json:
        print_json(
            [
                _json_entry(measurement, surroundings, prediction)
                for measurement, prediction in zip(measured, predicted, strict=True)
            ]
        )
    else:
        _print(measured, surroundings, profile, predicted)


def _resolve(
    names: Sequence[str], num_classes: int | None
) -> tuple[list[tuple[str, Architecture | Path]], int, Task | None]:
    """Return networks with titles, and the number of classes and the task of all of them.

    Only networks with equal outputs can be compared.
    """
    titled: list[tuple[str, Architecture | Path]] = []
    resolved: list[ResolvedNetwork] = []
    for name in names:
        if name.endswith(".onnx"):
            titled.append((str(Path(name)), Path(name)))
        else:
            network = resolve_network(name)
            resolved.append(network)
            titled.append((network.title, network.architecture))
    known = sorted({network.num_classes for network in resolved if network.num_classes})
    if num_classes is None and len(known) > 1:
        raise LatencyError(
            f"the networks have different numbers of classes ({listing(known)}); --num-classes sets"
            " one for all"
        )
    classes = num_classes or (known[0] if known else DEFAULT_CLASSES)
    return titled, classes, _common_task(resolved)


def _common_task(networks: Sequence[ResolvedNetwork]) -> Task | None:
    tasks = list(dict.fromkeys(network.task for network in networks))
    if len(tasks) > 1:
        raise LatencyError(
            f"the networks are for different tasks ({listing(tasks)}); --task sets one for all"
        )
    return tasks[0] if tasks else None


def _json_entry(
    measured: LatencyMeasurement, surroundings: dict[str, Any], predicted: Prediction | None
) -> dict[str, Any]:
    runtime = surroundings["runtime"]
    timing = asdict(measured.timing)
    return {
        "network": measured.network,
        "key": measured.key,
        "input_shape": list(measured.input_shape),
        "macs": measured.macs,
        **{name: timing[name] for name in ("ms", "low_ms", "high_ms", "median_ms", "min_ms")},
        "rounds": timing["rounds"],
        "cpu_per_wall": timing["cpu_per_wall"],
        "probe_ms": timing["reference_ms"],
        "warnings": list(timing["warnings"]),
        "runtime": runtime["name"],
        "threads": runtime["threads"],
        "dtype": runtime["dtype"],
        "predicted": predicted,
        "fingerprint": surroundings,
    }


def _print(
    measured: Sequence[LatencyMeasurement],
    surroundings: dict[str, Any],
    device: LatencyProfile | None,
    predicted: Sequence[Prediction | None],
) -> None:
    header = [
        "network",
        "ms",
        "95 % interval",
        *(HEADER if device else ()),
        "median ms",
        "rounds",
        "cpu/wall",
        "MACs",
    ]
    rows = [
        _row(measurement, format_cells(measurement.timing.ms, prediction) if device else [])
        for measurement, prediction in zip(measured, predicted, strict=True)
    ]
    print_table(header, rows)
    click.echo(f"\n{describe(surroundings)}")
    reference_ms = measured[0].timing.reference_ms
    if reference_ms is not None:
        click.echo(
            f"reference model ({REFERENCE_MODEL} at {REFERENCE_RESOLUTION_PX} px):"
            f" {reference_ms:.3g} ms"
        )
    if device is not None:
        print_comparison_notes(device, surroundings, predicted)
    for measurement in measured:
        for warning in measurement.timing.warnings:
            click.echo(f"warning: {measurement.network}: {warning}", err=True)


def _row(measured: LatencyMeasurement, predicted: list[str]) -> list[str]:
    timing = measured.timing
    return [
        measured.network,
        f"{timing.ms:.4g}",
        f"{timing.low_ms:.4g} to {timing.high_ms:.4g}",
        *predicted,
        f"{timing.median_ms:.4g}",
        str(timing.rounds),
        "" if timing.cpu_per_wall is None else f"{timing.cpu_per_wall:.2f}",
        "" if measured.macs is None else format_number(measured.macs),
    ]


@latency_group.command("runtimes")
@JSON
def runtimes_command(as_json: bool) -> None:
    """List the runtimes, whether each can be used here, and how to install the others."""
    entries: list[dict[str, Any]] = []
    for runtime in map(RUNTIMES.get, RUNTIMES):
        trouble = runtime.trouble()
        entries.append(
            {
                "name": runtime.name,
                "usable": trouble is None,
                "version": runtime.version(),
                "takes": runtime.takes,
                "dtypes": list(runtime.dtypes),
                "summary": runtime.summary,
                "trouble": trouble,
            }
        )
    if as_json:
        print_json(entries)
        return
    rows = [
        [
            entry["name"],
            "yes" if entry["usable"] else "no",
            entry["version"] or "",
            " ".join(entry["dtypes"]),
            entry["trouble"] or entry["summary"],
        ]
        for entry in entries
    ]
    print_table(["runtime", "usable", "version", "dtypes", "what"], rows, text_columns=5)


for _command in (*CREATING, *INSPECTING):
    latency_group.add_command(_command)
