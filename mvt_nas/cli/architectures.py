"""``mvt-nas zoo`` and ``mvt-nas show``: architectures, their exact costs and predicted latency."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from mvt_nas.cli.network_spec import DEFAULT_CLASSES, resolve_network
from mvt_nas.cli.options import TABLE_JSON
from mvt_nas.cli.render import print_json, print_table
from mvt_nas.cost.breakdown import CostBreakdown, break_down
from mvt_nas.cost.counts import Counts, count
from mvt_nas.cost.cross_check import count_with_fvcore, count_with_thop
from mvt_nas.report.formatting import format_number
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import Published, published, published_names
from mvt_nas.tasks.base import Task, at_resolution, task_from_text


def predicted_latencies(
    architecture: Architecture, devices: tuple[str, ...], num_classes: int, task: Task | None = None
) -> list[dict[str, Any]]:
    """Return the predicted latency on each device as plain data.

    Args:
        architecture: The architecture.
        devices: Names or files of latency profiles; empty for the default one, if it exists.
        num_classes: Outputs of the classifier.
        task: Task of the network; ``None`` for classification.

    Raises:
        LatencyError: There is no such device.
    """
    from mvt_nas.latency.profile_lookup import default_profile_name, load_profile, profile_files

    default = default_profile_name()
    if not devices and default in profile_files():
        devices = (default,)
    entries = []
    for name in devices:
        profile = load_profile(name)
        found = profile.predictor.predict(
            architecture, batch_size=profile.batch_size, num_classes=num_classes, task=task
        )
        figures = {field: getattr(found, field) for field in ("ms", "low_ms", "high_ms", "outside")}
        entries.append(
            {"device": profile.name, "batch_size": profile.batch_size}
            | figures
            | {"strange": list(found.uncalibrated)}
        )
    return entries


def print_latencies(entries: list[dict[str, Any]]) -> None:
    """Print one line per device, and a second one where the prediction is an extrapolation."""
    for entry in entries:
        interval = f"90 % interval {entry['low_ms']:.4g} to {entry['high_ms']:.4g}"
        click.echo(
            f"predicted latency {entry['ms']:.4g} ms ({interval}) on {entry['device']}, batch"
            f" {entry['batch_size']}"
        )
        if entry["outside"] > 0:
            kinds = ", ".join(entry["strange"])
            share = f"{100 * entry['outside']:.0f}" if entry["outside"] >= 0.005 else "Less than 1"
            click.echo(
                f"  {share} % of it is outside the calibrated range ({kinds}): the interval may"
                " not hold"
            )


@click.command("zoo")
@TABLE_JSON
def zoo_command(as_json: bool) -> None:
    """List the 19 published models with their exact costs and published figures."""
    models = [(published(name), count(published(name).architecture)) for name in published_names()]
    if as_json:
        print_json([_zoo_entry(model, counts) for model, counts in models])
        return
    rows = [
        [
            model.name,
            f"arXiv {model.paper}",
            format_number(counts.params),
            format_number(counts.macs),
            f"{counts.memory_mb:.1f}",
            f"{model.imagenet_top1:.1f}",
            f"{model.params_m:.1f} M",
        ]
        for model, counts in models
    ]
    print_table(
        ["model", "paper", "params", "MACs", "memory MB", "ImageNet top-1 %", "params (paper)"],
        rows,
        text_columns=2,
    )
    click.echo(
        "\nMACs and peak activation memory at 256 px, batch 1, fp32; accuracies as published."
    )


def _zoo_entry(model: Published, counts: Counts) -> dict[str, Any]:
    return {
        "name": model.name,
        "key": model.architecture.key,
        "paper": f"arXiv {model.paper}",
        "resolution_px": model.architecture.resolution_px,
        "params": counts.params,
        "macs": counts.macs,
        "memory_mb": counts.memory_mb,
        "imagenet_top1": model.imagenet_top1,
        "published_params_m": model.params_m,
        "published_macs_m": model.macs_m,
    }


@click.command("show")
@click.argument("architecture", metavar="NAME|FILE|RUN:ID|FOLDER")
@click.option(
    "--resolution",
    type=click.IntRange(8, 8192),
    metavar="PX",
    help="Side of the input image in pixels.  [default: that of the architecture]",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1, 1_000_000),
    default=1,
    show_default=True,
    metavar="N",
    help="Images per inference.",
)
@click.option(
    "--num-classes",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    help="Number of classes.  [default: that of the run or the training, or 1000]",
)
@click.option(
    "--task",
    metavar="NAME[,FIELD=VALUE]",
    help="Task of the network: detection or segmentation.  [default: classification]",
)
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="NAME",
    help=(
        "Predict the latency on this device: the name or the file of a latency profile. May be"
        " repeated.  [default: the device of latency_ms]"
    ),
)
@click.option(
    "--counters",
    is_flag=True,
    help="Also print the counts of fvcore and thop, and why they differ.",
)
@click.option(
    "--arch-json",
    is_flag=True,
    help="Print only the architecture, as JSON that other commands accept as a file.",
)
@TABLE_JSON
def show_command(
    architecture: str,
    resolution: int | None,
    batch_size: int,
    num_classes: int | None,
    task: str | None,
    devices: tuple[str, ...],
    counters: bool,
    arch_json: bool,
    as_json: bool,
) -> None:
    """Show the parts of a network (layers, shapes, params, MACs) and its predicted latency.

    The network is a published model, an architecture file, the folder of a training, or a candidate
    of a run: results/phone:19, results/phone:knee, results/phone:accuracy (the best in accuracy),
    or 'results/phone:latency_ms<=5' (the most accurate within a limit).
    """
    if as_json and arch_json:
        raise click.UsageError(
            "--json and --arch-json exclude each other: each prints one document"
        )
    if task is not None and counters:
        raise click.UsageError(
            "--counters and --task exclude each other: fvcore and thop count classifiers only"
        )
    network = resolve_network(architecture)
    classes = num_classes or network.num_classes or DEFAULT_CLASSES
    shown = network.architecture
    shown_task = network.task if task is None else task_from_text(task)
    if resolution is not None:
        shown = replace(shown, resolution_px=resolution)
        shown_task = None if shown_task is None else at_resolution(shown_task, resolution)
    if arch_json:
        print_json(shown.to_dict())
        return
    costs = break_down(shown, batch_size=batch_size, num_classes=classes, task=shown_task)
    latencies = predicted_latencies(shown, devices, classes, shown_task)
    counted = _counters(shown, batch_size) if counters else []
    if as_json:
        document = {"name": network.title, "key": shown.key, "architecture": shown.to_dict()}
        if shown_task is not None:
            document["task"] = shown_task.to_dict()
        print_json(document | costs.to_dict() | {"latency": latencies, "counters": counted})
        return
    _print_costs(network.title, costs)
    print_latencies(latencies)
    for entry in counted:
        click.echo(
            f"\n{entry['counter']}: {format_number(entry['macs'])} MACs,"
            f" {format_number(entry['params'] or 0)} params; {entry['missing']}"
        )


def _counters(architecture: Architecture, batch_size: int) -> list[dict[str, Any]]:
    counted = [
        count_with_fvcore(architecture, batch_size),
        count_with_thop(architecture, batch_size),
    ]
    return [
        {name: getattr(entry, name) for name in ("counter", "macs", "params", "missing")}
        for entry in counted
    ]


def _print_costs(title: str, costs: CostBreakdown) -> None:
    counts = costs.counts
    task = "" if costs.task is None else f"{costs.task.kind}, "
    click.echo(
        f"{title}  (key {costs.key}, {task}{costs.resolution_px} px, batch {costs.batch_size})\n"
    )
    rows = [
        [
            part.name,
            part.what,
            part.shape,
            format_number(part.params),
            format_number(part.macs),
            f"{100 * part.macs / max(counts.macs, 1):.1f} %",
        ]
        for part in costs.parts
    ]
    rows.append(
        ["total", "", "", format_number(counts.params), format_number(counts.macs), "100.0 %"]
    )
    print_table(["part", "what", "output", "params", "MACs", "share"], rows, text_columns=3)
    click.echo(f"\n{counts.params:,} params, {counts.macs:,} MACs")
    click.echo(
        f"peak activation memory {counts.memory_mb:.2f} MB, traffic {counts.moved_mb:.1f} MB"
    )
