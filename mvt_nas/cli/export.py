"""``mvt-nas export`` and ``mvt-nas import``: networks for trainers and devices, and back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mvt_nas.cli.parameters import FILE, FILE_OR_FOLDER, FOLDER
from mvt_nas.cli.render import print_json, print_table

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
    help="Form to export to; repeatable.  [--to list shows them]",
)
@click.option(
    "--out",
    type=FOLDER,
    metavar="DIR",
    help="A folder for each target goes here.  [default: FOLDER/exported, or exported/NAME]",
)
@click.option(
    "--weights",
    type=FILE,
    metavar="FILE",
    help="Checkpoint with its weights.  [default: those of FOLDER, or initial weights]",
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
    help=(
        "Outputs of the classifier.  [default: those of the training, the run or the task, or 1000]"
    ),
)
@click.option(
    "--pictures",
    type=click.IntRange(0),
    default=400,
    show_default=True,
    metavar="N",
    help="Of those that judged the training in FOLDER, how many are compared on; 0: none.",
)
@click.option(
    "--measure-seconds",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    metavar="S",
    help="Timing per runtime; 0: none.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def export_command(
    network: str | None,
    targets: tuple[str, ...],
    out: Path | None,
    weights: Path | None,
    task: str | None,
    num_classes: int | None,
    pictures: int,
    measure_seconds: float,
    as_json: bool,
) -> None:
    """Export a network for a device or a trainer, and check that what was written is the same network.

    The network is the FOLDER of a training (trained/phone_knee), with its weights and classes; a
    candidate of a run (results/phone:19, results/phone:knee), a published model (mobilevit_s) or an
    architecture file, with initial weights or --weights.

    An example:  mvt-nas export results/phone:19 --to onnx --to python

    With --task detection,num_classes=3 it has the head of a task instead of the classifier; a
    detector is exported with scores and boxes.

    Each target is read back from its files: parameters have to be equal, outputs are compared on
        random images, in batches of one and,
    where the form takes any, three; of a training, also on its validation pictures. Latencies of
    runtimes are measured again, in turn with PyTorch's.

    The command ends with 1 where a check fails.
    """
    from mvt_nas.cli.network_spec import DEFAULT_CLASSES, resolve_network
    from mvt_nas.errors import ExportError, listing
    from mvt_nas.export.base import TARGETS
    from mvt_nas.export.model import export_model, task_with_classes
    from mvt_nas.export.timing import time_exports
    from mvt_nas.export.verification import export_all, usable_target

    if "list" in targets:
        _print_targets(as_json)
        return
    if not targets:
        raise ExportError(f"--to is missing; one or several of {listing(TARGETS.names())}")
    wanted = task_with_classes(task, num_classes)
    for name in targets:
        usable_target(name, wanted)
    if network is None:
        raise ExportError(
            "a network is missing; a training, a published model, an architecture file or a"
            " candidate RUN:ID"
        )
    own = resolve_network(network)
    if task is None and own.task is not None:
        wanted = own.task
        for name in targets:
            usable_target(name, wanted)
    classes = num_classes or own.num_classes or DEFAULT_CLASSES
    found = export_model(
        own.stem, own.architecture, num_classes=classes, weights=weights or own.weights, task=wanted
    )
    exported = export_all(
        found,
        targets,
        out or (own.folder / "exported" if own.folder else Path("exported") / found.name),
    )
    timings = time_exports(found, exported, seconds=measure_seconds) if measure_seconds else {}
    judged = _judged(own.config, found, exported, pictures)
    if as_json:
        print_json([_as_data(one, timings, judged) for one in exported])
    else:
        _print_exported(exported, timings, found.weights, judged)
    if not all(one.same for one in exported):
        sys.exit(1)


def _print_targets(as_json: bool) -> None:
    from mvt_nas.export.base import TARGETS

    targets = [TARGETS.get(name) for name in TARGETS]
    if as_json:
        print_json(
            [
                {"target": one.name, "summary": one.summary, "trouble": one.trouble()}
                for one in targets
            ]
        )
        return
    print_table(
        ["target", "what it is", "here"],
        [[one.name, one.summary, one.trouble() or "ready"] for one in targets],
        text_columns=3,
    )


def _judged(
    config: TrainingConfig | None, found: ExportModel, exported: list[ExportResult], most: int
) -> ImageCheck | None:
    """Return what was made of the pictures that judged a classifier's training; ``None`` without one, or where they are gone."""
    if config is None or config.training is None or found.task is not None or not most:
        return None
    from mvt_nas.errors import DataError
    from mvt_nas.export.image_check import check_on_images

    try:
        return check_on_images(found, exported, config, most)
    except DataError as error:
        click.echo(f"warning: not compared on the pictures of the training: {error}", err=True)
        return None


def _as_data(
    one: ExportResult, timings: dict[str, Timing], judged: ImageCheck | None
) -> dict[str, Any]:
    checks = {
        name: getattr(one, name)
        for name in ("same", "params", "params_equal", "max_abs_diff", "largest")
    }
    ms = timings[one.target].ms if one.target in timings else None
    told = {
        "batches": list(one.batches),
        "latency_ms": ms,
        "pictures": _on_pictures(one, judged),
        "notes": list(one.notes),
    }
    return {"target": one.target, "files": list(map(str, one.files))} | checks | told


def _on_pictures(one: ExportResult, judged: ImageCheck | None) -> dict[str, Any] | None:
    if judged is None or one.target not in judged.top1:
        return None
    return {
        "count": judged.count,
        "top1": judged.top1[one.target],
        "pytorch_top1": judged.own,
        "alike": judged.alike[one.target],
    }


def _print_exported(
    exported: list[ExportResult],
    timings: dict[str, Timing],
    weights: str,
    judged: ImageCheck | None,
) -> None:
    rows = [
        [
            one.target,
            (
                {True: "same", False: "OTHER"}[one.same]
                if one.max_abs_diff is not None or one.params_equal is not None
                else "not checked"
            ),
            {True: f"{one.params:,}", False: "differ", None: "-"}[one.params_equal],
            "-" if one.max_abs_diff is None else f"{one.max_abs_diff:.1e} of {one.largest:.2g}",
            f"{timings[one.target].ms:.2f}" if one.target in timings else "-",
            _files(one),
        ]
        for one in exported
    ]
    click.echo(f"Weights: {weights}.")
    print_table(
        ["target", "network", "params", "largest difference", "ms", "files"], rows, text_columns=2
    )
    if timings:
        click.echo(
            f"PyTorch itself takes {timings['PyTorch'].ms:.2f} ms, one thread, in the same rounds."
        )
    if judged is not None:
        click.echo(
            f"Of {judged.count} pictures that judged the training, {100 * judged.own:.2f} % are"
            " right in PyTorch;"
        )
        for name, share in judged.top1.items():
            click.echo(
                f"  {name}: {100 * share:.2f} %, the same class as PyTorch for {judged.alike[name]}"
            )
    for one in exported:
        for note in one.notes:
            click.echo(f"{one.target}: {note}")


def _files(one: ExportResult) -> str:
    """Return the first file with its folder, of the others what differs."""
    first, *others = one.files
    return ", ".join(
        [
            str(first),
            *(other.suffix if other.stem == first.stem else other.name for other in others),
        ]
    )


@click.command("import")
@click.argument("file", type=FILE_OR_FOLDER)
@click.option(
    "--out", type=FILE, metavar="FILE", help="Where to write the architecture.  [default: printed]"
)
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON document with form and settings, too."
)
def import_command(file: Path, out: Path | None, as_json: bool) -> None:
    """Read the architecture out of FILE: what export wrote, an ml-cvnets YAML, a configuration of transformers.

    What is printed, or written, is the architecture as JSON, which every command takes that takes a
    network.
    """
    from mvt_nas.export.reading import read_architecture

    found = read_architecture(file)
    if as_json:
        network = found.architecture
        told = {
            "form": found.form,
            "key": network.key,
            "task": found.task and found.task.to_dict(),
            "settings": dict(found.settings),
        }
        print_json(told | {"architecture": network.to_dict()})
    elif out is None:
        click.echo(found.architecture.to_json())
        if found.task is not None:
            click.echo(f"It is for the task {found.task}.", err=True)
    if out is not None:
        out.write_text(found.architecture.to_json() + "\n", encoding="utf-8")
        task = "" if found.task is None else f", task {found.task}"
        click.echo(f"{out}: {found.form}, key {found.architecture.key}{task}", err=as_json)
