"""``mvt-nas export`` and ``mvt-nas import``: networks for trainers and devices, and back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mvt_nas._io import write_text
from mvt_nas.cli.network_spec import DEFAULT_CLASSES, ResolvedNetwork, resolve_network
from mvt_nas.cli.parameters import FILE, FILE_OR_FOLDER, FOLDER
from mvt_nas.cli.render import print_json, print_table
from mvt_nas.errors import DataError, ExportError, listing

if TYPE_CHECKING:
    from mvt_nas.export.base import ExportModel
    from mvt_nas.export.image_check import ImageCheck
    from mvt_nas.export.verification import ExportResult
    from mvt_nas.latency.timing.stopwatch import Timing
    from mvt_nas.training.config import TrainingConfig


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
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
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
    from mvt_nas.export.verification import export_all, time_exports  # loads torch

    model, resolved = _resolve_model(network, targets, weights, task, num_classes)
    if out is None:
        out = resolved.folder / "exported" if resolved.folder else Path("exported") / model.name
    results = export_all(model, targets, out)
    timings = time_exports(model, results, seconds=measure_seconds) if measure_seconds else {}
    check = _image_check(resolved.config, model, results, max_images)
    if as_json:
        print_json([_as_data(result, timings, check) for result in results])
    else:
        _print_results(results, timings, model.weights, check)
    if not all(result.same for result in results):
        sys.exit(1)


def _resolve_model(
    network: str | None,
    targets: tuple[str, ...],
    weights: Path | None,
    task: str | None,
    num_classes: int | None,
) -> tuple[ExportModel, ResolvedNetwork]:
    """Check the arguments and return the model to export, and the network that it is built from."""
    from mvt_nas.export.base import TARGETS  # these load numpy and torch
    from mvt_nas.export.model import export_model, task_with_classes
    from mvt_nas.export.verification import usable_target

    if not targets:
        raise ExportError(f"--to is missing; one or several of {listing(TARGETS.names())}")
    export_task = task_with_classes(task, num_classes)
    for name in targets:
        usable_target(name, export_task)
    if network is None:
        raise ExportError(
            "a network is missing; a training, a published model, an architecture file or a"
            " candidate RUN:ID"
        )
    resolved = resolve_network(network)
    if task is None and resolved.task is not None:
        export_task = resolved.task
        for name in targets:
            usable_target(name, export_task)
    model = export_model(
        resolved.stem,
        resolved.architecture,
        num_classes=num_classes or resolved.num_classes or DEFAULT_CLASSES,
        weights=weights or resolved.weights,
        task=export_task,
    )
    return model, resolved


def _print_targets(as_json: bool) -> None:
    from mvt_nas.export.base import TARGETS

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


def _image_check(
    config: TrainingConfig | None, model: ExportModel, results: list[ExportResult], max_images: int
) -> ImageCheck | None:
    """Compare a trained classifier with its exports on the validation images of the training.

    Returns:
        The comparison; ``None`` without a training or images, and with a warning if the images are
        no longer available.
    """
    if config is None or config.training is None or model.task is not None or not max_images:
        return None
    from mvt_nas.export.image_check import check_on_images

    try:
        return check_on_images(model, results, config, max_images)
    except DataError as error:
        click.echo(
            f"warning: not compared on the validation images of the training: {error}", err=True
        )
        return None


def _as_data(
    result: ExportResult, timings: dict[str, Timing], check: ImageCheck | None
) -> dict[str, Any]:
    timing = timings.get(result.target)
    return {
        "target": result.target,
        "files": [str(file) for file in result.files],
        "same": result.same,
        "params": result.params,
        "params_equal": result.params_equal,
        "max_abs_diff": result.max_abs_diff,
        "largest": result.largest,
        "batches": list(result.batches),
        "latency_ms": None if timing is None else timing.ms,
        "pictures": _check_data(result, check),
        "notes": list(result.notes),
    }


def _check_data(result: ExportResult, check: ImageCheck | None) -> dict[str, Any] | None:
    if check is None or result.target not in check.top1:
        return None
    return {
        "count": check.count,
        "top1": check.top1[result.target],
        "pytorch_top1": check.pytorch_top1,
        "alike": check.agreements[result.target],
    }


def _print_results(
    results: list[ExportResult],
    timings: dict[str, Timing],
    weights: str,
    check: ImageCheck | None,
) -> None:
    click.echo(f"Weights: {weights}.")
    print_table(
        ["target", "network", "params", "largest difference", "ms", "files"],
        [_table_row(result, timings) for result in results],
        text_columns=2,
    )
    if timings:
        from mvt_nas.export.verification import PYTORCH

        click.echo(
            f"PyTorch itself takes {timings[PYTORCH].ms:.2f} ms, one thread, in the same rounds."
        )
    if check is not None:
        click.echo(
            f"Of {check.count} validation images of the training, PyTorch classifies"
            f" {100 * check.pytorch_top1:.2f} % correctly;"
        )
        for name, top1 in check.top1.items():
            click.echo(
                f"  {name}: {100 * top1:.2f} %, the same class as PyTorch for"
                f" {check.agreements[name]}"
            )
    for result in results:
        for note in result.notes:
            click.echo(f"{result.target}: {note}")


def _table_row(result: ExportResult, timings: dict[str, Timing]) -> list[str]:
    checked = result.max_abs_diff is not None or result.params_equal is not None
    verdict = "not checked"
    if checked:
        verdict = "same" if result.same else "OTHER"
    difference = "-"
    if result.max_abs_diff is not None:
        difference = f"{result.max_abs_diff:.1e} of {result.largest:.2g}"
    timing = timings.get(result.target)
    return [
        result.target,
        verdict,
        {True: f"{result.params:,}", False: "differ", None: "-"}[result.params_equal],
        difference,
        "-" if timing is None else f"{timing.ms:.2f}",
        _format_files(result),
    ]


def _format_files(result: ExportResult) -> str:
    """Return the path of the first file, and suffixes or names of the others."""
    first, *others = result.files
    short_names = [other.suffix if other.stem == first.stem else other.name for other in others]
    return ", ".join([str(first), *short_names])


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
    from mvt_nas.export.base import read_architecture  # loads numpy

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
