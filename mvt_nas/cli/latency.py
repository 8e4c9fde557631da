"""``mvt-nas latency``: how long networks take, here or behind a command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mvt_nas.cli.latency_profiles import COMMANDS
from mvt_nas.cli.render import format_number, print_json, print_table

if TYPE_CHECKING:
    from mvt_nas.cli.network_spec import ResolvedNetwork
    from mvt_nas.latency.profile import DeviceProfile
    from mvt_nas.tasks.base import Task


@click.group("latency")
def latency_group() -> None:
    """Measure and predict how long networks take."""


@latency_group.command("measure")
@click.argument("networks", metavar="NAME|FILE|RUN:ID|FOLDER|FILE.onnx...", nargs=-1, required=True)
@click.option(
    "--runtime",
    metavar="NAME",
    help="What runs the networks (see: mvt-nas latency runtimes).  [default: onnxruntime]",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 4096),
    default=1,
    show_default=True,
    metavar="N",
    help="Threads of one inference.",
)
@click.option(
    "--dtype",
    default="fp32",
    show_default=True,
    metavar="fp32|int8",
    help="Data type; with int8, networks are quantised first.",
)
@click.option(
    "--batch-size", type=click.IntRange(1), metavar="N", help="Images per inference.  [default: 1]"
)
@click.option(
    "--seconds",
    type=float,
    default=5.0,
    show_default=True,
    metavar="S",
    help="Seconds of timing per network.",
)
@click.option(
    "--resolution",
    type=click.IntRange(8, 8192),
    metavar="PX",
    help="Side of the image instead of the architecture's own.",
)
@click.option(
    "--task",
    metavar="NAME[,FIELD=VALUE]",
    help="With the head of detection or segmentation.  [default: classification]",
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
    help="Show beside it what this device's profile predicts (see: mvt-nas latency devices).",
)
@click.option(
    "--command",
    metavar="'... {model}'",
    help="A shell command that runs the ONNX file {model} and prints milliseconds.",
)
@click.option(
    "--timeout",
    type=float,
    default=60.0,
    show_default=True,
    metavar="S",
    help="Seconds that one call of the command may take.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
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

    The figure is the 10th percentile over shuffled rounds, with its 95 % interval. Of an ONNX file
    that mvt-nas export wrote, --device predicts the network in it.
    """
    from mvt_nas.cli.predicted_vs_measured import predictions
    from mvt_nas.latency.fingerprint import fingerprint
    from mvt_nas.latency.profile_lookup import load_profile
    from mvt_nas.latency.runtime import usable_runtime
    from mvt_nas.latency.timing.measure import measure
    from mvt_nas.latency.timing.settings import TimingSettings
    from mvt_nas.tasks.base import task_from_text

    if task is not None and any(name.endswith(".onnx") for name in networks):
        raise click.UsageError(
            "--task gives architectures a head; an ONNX file is measured as it is, so leave out one"
            " of the two"
        )
    profile = None if device is None else load_profile(device)
    found, classes, own = _found(networks, num_classes)
    purpose = own if task is None else task_from_text(task)
    settings = TimingSettings(
        runtime=runtime or ("command" if command is not None else "onnxruntime"),
        threads=threads,
        batch_size=batch_size,
        resolution_px=resolution,
        task=purpose,
        seconds=seconds,
        command=command,
        timeout_s=timeout,
        dtype=dtype,
        num_classes=classes,
    )
    where = fingerprint(
        usable_runtime(settings.runtime, dtype), threads=threads, command=command, dtype=dtype
    )
    measured = measure(found, settings)
    predicted = (
        predictions(measured, [network for _, network in found], classes, purpose, profile)
        if profile
        else [None] * len(measured)
    )
    if as_json:
        print_json(
            [_entry(one, where, beside) for one, beside in zip(measured, predicted, strict=True)]
        )
    else:
        _print(measured, where, profile, predicted)


def _found(
    names: Sequence[str], num_classes: int | None
) -> tuple[list[tuple[str, Any]], int, Task | None]:
    """Return titles and networks, and the number of classes and the task that all of them get: what is compared has to be alike."""
    from mvt_nas.cli.network_spec import DEFAULT_CLASSES, resolve_network
    from mvt_nas.errors import LatencyError, listing

    found = [Path(name) if name.endswith(".onnx") else resolve_network(name) for name in names]
    said = sorted(
        {one.num_classes for one in found if not isinstance(one, Path) and one.num_classes}
    )
    if num_classes is None and len(said) > 1:
        raise LatencyError(
            f"the networks have different numbers of classes ({listing(said)}); --num-classes says"
            " one for all"
        )
    pairs = [
        (str(one), one) if isinstance(one, Path) else (one.title, one.architecture) for one in found
    ]
    return (
        pairs,
        num_classes or (said[0] if said else DEFAULT_CLASSES),
        _same_task([one for one in found if not isinstance(one, Path)]),
    )


def _same_task(named: Sequence[ResolvedNetwork]) -> Task | None:
    from mvt_nas.errors import LatencyError, listing

    tasks = list(dict.fromkeys(one.task for one in named))
    if len(tasks) > 1:
        raise LatencyError(
            f"the networks are for different tasks ({listing(tasks)}); --task says one for all"
        )
    return tasks[0] if tasks else None


def _entry(measured: Any, found: dict[str, Any], predicted: Any) -> dict[str, Any]:
    entry = {
        "network": measured.network,
        "key": measured.key,
        "input_shape": list(measured.input_shape),
        "macs": measured.macs,
    }
    timing = asdict(measured.timing) | {"warnings": list(measured.timing.warnings)}
    runtime = found["runtime"]
    how = {"runtime": runtime["name"], "threads": runtime["threads"], "dtype": runtime["dtype"]}
    return entry | timing | how | {"predicted": predicted, "fingerprint": found}


def _print(
    measured: list[Any], found: dict[str, Any], device: DeviceProfile | None, predicted: list[Any]
) -> None:
    from mvt_nas.cli.predicted_vs_measured import HEADER, cells, say_of
    from mvt_nas.latency.fingerprint import describe
    from mvt_nas.latency.timing.measure import PROBE_NAME, PROBE_RESOLUTION_PX

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
        _row(one, cells(one.timing.ms, beside) if device else [])
        for one, beside in zip(measured, predicted, strict=True)
    ]
    print_table(header, rows)
    click.echo(f"\n{describe(found)}")
    probe_ms = measured[0].timing.probe_ms
    if probe_ms is not None:
        click.echo(f"probe ({PROBE_NAME} at {PROBE_RESOLUTION_PX} px): {probe_ms:.3g} ms")
    if device is not None:
        say_of(device, found, predicted)
    for one in measured:
        for warning in one.timing.warnings:
            click.echo(f"warning: {one.network}: {warning}", err=True)


def _row(measured: Any, predicted: list[str]) -> list[str]:
    timing = measured.timing
    interval = f"{timing.low_ms:.4g} to {timing.high_ms:.4g}"
    cpu_per_wall = "" if timing.cpu_per_wall is None else f"{timing.cpu_per_wall:.2f}"
    macs = "" if measured.macs is None else format_number(measured.macs)
    return [
        measured.network,
        f"{timing.ms:.4g}",
        interval,
        *predicted,
        f"{timing.median_ms:.4g}",
        str(timing.rounds),
        cpu_per_wall,
        macs,
    ]


@latency_group.command("runtimes")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def runtimes_command(as_json: bool) -> None:
    """List the runtimes: which can be used here, and how to install the others."""
    from mvt_nas.latency.runtime import RUNTIMES

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
    print_table(
        ["runtime", "usable", "version", "dtypes", "what"],
        [
            [
                e["name"],
                "yes" if e["usable"] else "no",
                e["version"] or "",
                " ".join(e["dtypes"]),
                e["trouble"] or e["summary"],
            ]
            for e in entries
        ],
        text_columns=5,
    )


for _command in COMMANDS:
    latency_group.add_command(_command)
