"""The predicted latency of one network, as ``mvt-nas show`` prints it.

``mvt-nas zoo`` and ``mvt-nas show``: architectures and their exact costs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from mvt_nas.cli.render import format_number, print_json, print_table

if TYPE_CHECKING:
    from mvt_nas.space.architecture import Architecture
    from mvt_nas.tasks.base import Task


def predicted_latencies(
    architecture: Architecture, devices: tuple[str, ...], num_classes: int, task: Task | None = None
) -> list[dict[str, Any]]:
    """Return the latency on each device as plain data; on the default one, where there is one, if none is named.

    Raises:
        LatencyError: there is no such device.
    """
    from mvt_nas.latency.profile_lookup import default_profile_name, load_profile, profile_files

    default = default_profile_name()
    entries = []
    for name in devices or ((default,) if default in profile_files() else ()):
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
    """Print one line per device, and another where a prediction is an extrapolation."""
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
                f"  {share} % of that lies outside what was calibrated ({kinds}): the interval may"
                " not hold"
            )


@click.command("zoo")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def zoo_command(as_json: bool) -> None:
    """List the 19 published models with their exact and published figures."""
    from mvt_nas.cost.counts import count
    from mvt_nas.space.published import published, published_names

    models = [(published(name), count(published(name).architecture)) for name in published_names()]
    if as_json:
        print_json([_zoo_entry(model, counts) for model, counts in models])
        return
    rows = [
        [
            m.name,
            f"arXiv {m.paper}",
            format_number(c.params),
            format_number(c.macs),
            f"{c.memory_mb:.1f}",
            f"{m.imagenet_top1:.1f}",
            f"{m.params_m:.1f} M",
        ]
        for m, c in models
    ]
    print_table(
        ["model", "paper", "params", "MACs", "memory MB", "ImageNet top-1 %", "params (paper)"],
        rows,
        text_columns=2,
    )
    click.echo(
        "\nMACs and peak activation memory at 256 px, batch 1, fp32; accuracies as published."
    )


def _zoo_entry(model: Any, counts: Any) -> dict[str, Any]:
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
    help="Side of the image instead of the architecture's own.",
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
    help="Outputs of the classifier.  [default: those of the run or the training, or 1000]",
)
@click.option(
    "--task",
    metavar="NAME[,FIELD=VALUE]",
    help="With the head of detection or segmentation.  [default: classification]",
)
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="NAME",
    help=(
        "Predict the latency on this device, a name or a profile's file; may be repeated. "
        " [default: that of latency_ms]"
    ),
)
@click.option(
    "--counters", is_flag=True, help="Also count with fvcore and thop, and say why they differ."
)
@click.option(
    "--arch-json",
    is_flag=True,
    help="Only the architecture, as a JSON file that every command reads.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
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
    """Show a network stage by stage: block, shape, params, MACs; and its predicted latency.

    The network is a published model, an architecture file, the folder of a training, or a candidate
        of a run: results/phone:19,
    results/phone:knee, results/phone:accuracy (the best in it), or the most accurate within a
    limit, 'results/phone:latency_ms<=5'.
    """
    from mvt_nas.cli.network_spec import DEFAULT_CLASSES, resolve_network
    from mvt_nas.cost.breakdown import break_down
    from mvt_nas.tasks.base import at_resolution, task_from_text

    if as_json and arch_json:
        raise click.UsageError(
            "--json and --arch-json exclude each other: each prints one document"
        )
    if task is not None and counters:
        raise click.UsageError(
            "--counters and --task exclude each other: the other counters are for classifiers"
        )
    own = resolve_network(architecture)
    classes = num_classes or own.num_classes or DEFAULT_CLASSES
    found = (
        own.architecture
        if resolution is None
        else replace(own.architecture, resolution_px=resolution)
    )
    if arch_json:
        print_json(found.to_dict())
        return
    purpose = own.task if task is None else task_from_text(task)
    purpose = (
        purpose if purpose is None or resolution is None else at_resolution(purpose, resolution)
    )
    summary = break_down(found, batch_size=batch_size, num_classes=classes, task=purpose)
    latencies = predicted_latencies(found, devices, classes, purpose)
    counted = _counters(found, batch_size) if counters else []
    if as_json:
        told = {} if purpose is None else {"task": purpose.to_dict()}
        document = (
            {"name": own.title, "key": found.key, "architecture": found.to_dict()}
            | told
            | summary.to_dict()
        )
        print_json(document | {"latency": latencies, "counters": counted})
        return
    _print_summary(own.title, summary)
    print_latencies(latencies)
    for entry in counted:
        click.echo(
            f"\n{entry['counter']}: {format_number(entry['macs'])} MACs,"
            f" {format_number(entry['params'] or 0)} params; {entry['missing']}"
        )


def _counters(architecture: Any, batch_size: int) -> list[dict[str, Any]]:
    from mvt_nas.cost.cross_check import count_with_fvcore, count_with_thop

    counted = [
        count_with_fvcore(architecture, batch_size),
        count_with_thop(architecture, batch_size),
    ]
    return [
        {name: getattr(entry, name) for name in ("counter", "macs", "params", "missing")}
        for entry in counted
    ]


def _print_summary(title: str, summary: Any) -> None:
    counts = summary.counts
    purpose = "" if summary.task is None else f"{summary.task.kind}, "
    click.echo(
        f"{title}  (key {summary.key}, {purpose}{summary.resolution_px} px, batch"
        f" {summary.batch_size})\n"
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
        for part in summary.parts
    ]
    rows.append(
        ["total", "", "", format_number(counts.params), format_number(counts.macs), "100.0 %"]
    )
    print_table(["part", "what", "output", "params", "MACs", "share"], rows, text_columns=3)
    click.echo(f"\n{counts.params:,} params, {counts.macs:,} MACs")
    click.echo(
        f"peak activation memory {counts.memory_mb:.2f} MB, traffic {counts.moved_mb:.1f} MB"
    )
