"""``mvt-nas export`` and ``mvt-nas import``: networks for trainers and devices, and back."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mvt_nas._io import write_text
from mvt_nas.cli.options import JSON
from mvt_nas.cli.parameters import FILE, FILE_OR_FOLDER, FOLDER
from mvt_nas.cli.render import print_json, print_table
from mvt_nas.errors import ExportError
from mvt_nas.export.base import TARGETS, read_architecture


@click.command("export")
@click.argument("network", metavar="RUN:ID|FOLDER|NAME|FILE", required=False)
@click.option(
    "--to",
    "targets",
    multiple=True,
    metavar="TARGET",
    help="Export target; repeatable.  [--to list shows all]",
)
@click.option(
    "--out",
    type=FOLDER,
    metavar="DIR",
    help="Output folder; targets get subfolders.  [default: FOLDER/exported, or exported/NAME]",
)
@click.option(
    "--weights",
    type=FILE,
    metavar="FILE",
    help="Checkpoint to load.  [default: that of FOLDER, or initial weights]",
)
@click.option(
    "--task",
    metavar="TASK[,FIELD=VALUE...]",
    help="detection or segmentation.  [default: that of FOLDER, or classification]",
)
@click.option(
    "--num-classes",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    help="Number of classes.  [default: that of the training, the run or the task, or 1000]",
)
@click.option(
    "--pictures",
    "max_images",
    type=click.IntRange(0),
    default=400,
    show_default=True,
    metavar="N",
    help="Largest number of validation images of the training in FOLDER to compare on; 0: none.",
)
@click.option(
    "--measure-seconds",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    metavar="S",
    help="Duration of each latency measurement, in seconds; 0: none.",
)
@JSON
def export_command(
    network: str | None,
    targets: tuple[str, ...],
    out: Path | None,
    weights: Path | None,
    task: str | None,
    num_classes: int | None,
    max_images: int,
    measure_seconds: float,
    as_json: bool,
) -> None:
    """Export a network for a device or a trainer, and verify the exported files.

    The network is the FOLDER of a training (trained/phone_knee), with its weights and classes; or a
    candidate of a run (results/phone:19, results/phone:knee), a published model (mobilevit_s) or an
    architecture file, with initial weights or --weights.

    Example:  mvt-nas export results/phone:19 --to onnx --to python

    With --task detection,num_classes=3 the network has the head of the task instead of the
    classifier. Exported detectors return scores and boxes.

    Each export is read back from its files and compared with the network in PyTorch: the number of
    parameters, and the outputs for random images, in batches of one and, if the format supports
    them, of three. Exports of a training are also compared on its validation images. The latency of
    exports that run in a runtime here is measured, in turn with PyTorch's.

    The command ends with 1 if a check fails.
    """
    if "list" in targets:
        _print_targets(as_json)
        return
    from mvt_nas.cli.export_run import export_and_print, resolve_model

    model, resolved = resolve_model(network, targets, weights, task, num_classes)
    if out is None:
        out = resolved.folder / "exported" if resolved.folder else Path("exported") / model.name
    if not export_and_print(
        model, targets, out, resolved.config, max_images, measure_seconds, as_json
    ):
        sys.exit(1)


def _print_targets(as_json: bool) -> None:
    targets = [TARGETS.get(name) for name in TARGETS]
    if as_json:
        rows = [
            {"target": target.name, "summary": target.summary, "trouble": target.trouble()}
            for target in targets
        ]
        print_json(rows)
        return
    print_table(
        ["target", "what it is", "here"],
        [[target.name, target.summary, target.trouble() or "ready"] for target in targets],
        text_columns=3,
    )


@click.command("import")
@click.argument("file", type=FILE_OR_FOLDER)
@click.option(
    "--out", type=FILE, metavar="FILE", help="Output file.  [default: print the architecture]"
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with format and settings.")
def import_command(file: Path, out: Path | None, as_json: bool) -> None:
    """Read the architecture in FILE and print it, or write it to a file.

    FILE is an exported file of any target, a YAML of ml-cvnets, or a configuration of transformers.
    The architecture is JSON, which all commands accept as a network.
    """
    network = read_architecture(file)
    if as_json:
        print_json(
            {
                "form": network.format,
                "key": network.architecture.key,
                "task": network.task and network.task.to_dict(),
                "settings": dict(network.settings),
                "architecture": network.architecture.to_dict(),
            }
        )
    elif out is None:
        click.echo(network.architecture.to_json())
        if network.task is not None:
            click.echo(f"It is for the task {network.task}.", err=True)
    if out is not None:
        write_text(out, network.architecture.to_json() + "\n", error=ExportError)
        task = "" if network.task is None else f", task {network.task}"
        click.echo(f"{out}: {network.format}, key {network.architecture.key}{task}", err=as_json)
