"""``mvt-nas train``: a chosen network trained to its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mvt_nas.cli.parameters import FILE, FOLDER
from mvt_nas.cli.render import print_json, print_table

if TYPE_CHECKING:
    from mvt_nas.training.accelerator import AcceleratorConfig
    from mvt_nas.training.job import TrainingJob
    from mvt_nas.training.result import TrainingResult


@click.command("train")
@click.argument("network", metavar="[CONFIG|RUN:ID|FOLDER|NAME|FILE]", required=False)
@click.option(
    "--data",
    metavar="SOURCE",
    help=(
        "Pictures: digits, a folder by class, .npz, Parquet; for other tasks shapes, or a VOC or"
        " COCO folder."
    ),
)
@click.option(
    "--task",
    metavar="TASK",
    help=(
        "classification, detection or segmentation.  [default: CONFIG's, FOLDER's or"
        " classification]"
    ),
)
@click.option(
    "--recipe",
    metavar="NAME",
    help=(
        "v1, v2, v3, ssdlite, deeplabv3, ...; list shows them.  [default: CONFIG's, FOLDER's or the"
        " paper's]"
    ),
)
@click.option(
    "--out", type=FOLDER, metavar="DIR", help="Folder of the training.  [default: trained/NAME]"
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the training in --out; what it was started with may be left out.",
)
@click.option(
    "--weights",
    type=FILE,
    metavar="FILE",
    help="Checkpoint of this network to begin with, in any dialect.",
)
@click.option(
    "--warm-start",
    type=click.Path(path_type=Path),
    metavar="OTHER",
    help="Checkpoint or folder of another network, to take what fits.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    metavar="N",
    help="Passes over the pictures.  [default: the recipe's]",
)
@click.option(
    "--batch",
    type=click.IntRange(1),
    metavar="N",
    help="Pictures a step, over all devices.  [default: the recipe's]",
)
@click.option(
    "--px",
    type=click.IntRange(16, 2048),
    metavar="PX",
    help="Side of the pictures.  [default: the network's]",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="GROUP.FIELD=VALUE",
    help="Another value of the recipe; may be repeated.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    metavar="S",
    help="Of weights, order, augmentation and split.  [default: 0]",
)
@click.option(
    "--validation-share",
    type=float,
    metavar="SHARE",
    help="Of pictures to judge by, where the source has none.  [default: 0.2]",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="What to train on.",
)
@click.option(
    "--devices",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="GPUs, or processes.  [default: all GPUs, or one process]",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
    default="auto",
    show_default=True,
    help="auto: 16 bits on GPUs.",
)
@click.option(
    "--workers",
    type=click.IntRange(0, 256),
    metavar="N",
    help="Processes that read pictures.  [default: a core each, at most 8]",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Threads of the processor for each device.  [default: torch's]",
)
@click.option(
    "--checkpoint-steps",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    metavar="N",
    help="Steps between checkpoints in an epoch.",
)
@click.option(
    "--tensorboard/--no-tensorboard",
    default=None,
    help="Write curves for TensorBoard.  [default: where it is installed]",
)
@click.option(
    "--to",
    "targets",
    multiple=True,
    metavar="TARGET",
    help="Export the best weights at the end (mvt-nas export); repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def train_command(
    network: str | None,
    recipe: str | None,
    out: Path | None,
    resume: bool,
    targets: tuple[str, ...],
    as_json: bool,
    **settings: Any,
) -> None:
    """Train a network to its end, and keep its best weights.

    CONFIG is what mvt-nas export --to trainer wrote; any other network takes --recipe: a candidate
    of a run (results/phone:19, results/phone:knee), a published model, an architecture file. FOLDER
    is another training, whose weights it begins with. The same command goes on where it was broken
    off, to the same weights. --out gets config.yaml, network.json, metrics.csv, weights.pt,
    checkpoints, and pictures of what was learnt.
    """
    if recipe == "list":
        _print_recipes()
        return
    from mvt_nas._threads_and_malloc import keep_freed_memory
    from mvt_nas.cli.progress import TrainingProgress
    from mvt_nas.cli.training_job import asked, resumed
    from mvt_nas.training.api import train

    keep_freed_memory()
    given = {name: value for name, value in settings.items() if value is not None and value != ()}
    job, threads = (
        resumed(out, given) if resume and network is None else (asked(network, recipe, given), 0)
    )
    folder = out or Path("trained") / job.name
    _check_targets(targets, job)
    with TrainingProgress() as progress:
        fitted = train(
            job,
            folder,
            _machine(given, threads),
            progress.heard(job.recipe.optimisation.epochs, job.kind),
        )
    if not fitted.first:
        return
    exported = _export(fitted, targets)
    if as_json:
        print_json(_as_data(fitted) | {"exported": exported})
    else:
        _print(fitted, exported)


def _print_recipes() -> None:
    from mvt_nas.training.presets import RECIPES

    print_table(
        ["recipe", "what it is", "source"],
        [[name, RECIPES.get(name).summary, RECIPES.get(name).source] for name in RECIPES],
        3,
    )


def _machine(given: dict[str, Any], threads: int) -> AcceleratorConfig:
    from mvt_nas.training.accelerator import AcceleratorConfig

    names = (
        "device",
        "devices",
        "precision",
        "workers",
        "threads",
        "checkpoint_steps",
        "tensorboard",
    )
    return AcceleratorConfig(
        **({"threads": threads} | {name: given[name] for name in names if name in given})
    )


def _check_targets(targets: tuple[str, ...], job: TrainingJob) -> None:
    """Refuse targets that there are not, or that take no such networks, before the training, not after it."""
    from mvt_nas.export.verification import usable_target

    for name in targets:
        usable_target(name, job.task)


def _export(fitted: TrainingResult, targets: tuple[str, ...]) -> list[str]:
    """Export the best weights; return the files."""
    if not targets:
        return []
    from mvt_nas.export.model import export_model
    from mvt_nas.export.verification import export_all

    job, folder = fitted.job, fitted.folder
    found = export_model(
        job.name,
        job.architecture,
        num_classes=len(fitted.class_names),
        weights=folder.weights,
        task=job.task,
    )
    exported = export_all(found, targets, folder.path / "exported")
    wrong = [one.target for one in exported if not one.same]
    if wrong:
        raise click.ClickException(
            f"what was exported is another network: {', '.join(wrong)}; mvt-nas export shows the"
            " differences"
        )
    return [str(file) for one in exported for file in one.files]


def _as_data(fitted: TrainingResult) -> dict[str, Any]:
    best = {"epoch": fitted.best.epoch, "averaged": fitted.averaged}
    weights = {name: {"loss": found.loss, **found.shares} for name, found in _found(fitted).items()}
    files = {
        "folder": str(fitted.folder.path),
        "weights": str(fitted.folder.weights),
        "network": str(fitted.folder.network),
    }
    return {
        "name": fitted.job.name,
        "epochs": len(fitted.rows),
        "best": best,
        "judged": weights,
        **files,
        "unreadable": list(fitted.unreadable),
    }


def _found(fitted: TrainingResult) -> dict[str, Any]:
    return {"best": fitted.judged.scores, "last_averaged": fitted.last.scores}


def _print(fitted: TrainingResult, exported: list[str]) -> None:
    from mvt_nas.training.history import METRIC_TITLES

    kinds = [
        f"best: epoch {fitted.best.epoch}{', averaged' if fitted.averaged else ''}",
        f"last: epoch {len(fitted.rows)}, averaged",
    ]
    rows = [
        [kind, f"{one.loss:.4f}", *(f"{100 * share:.2f}" for share in one.shares.values())]
        for kind, one in zip(kinds, _found(fitted).values(), strict=True)
    ]
    print_table(
        ["weights", "loss", *(f"{title} %" for title in METRIC_TITLES[fitted.job.kind].values())],
        rows,
    )
    for name in fitted.unreadable:
        click.echo(f"Unreadable: {name}", err=True)
    folder = fitted.folder
    pictures = " and ".join(path.name for path in fitted.pictures)
    click.echo(
        f"\nThe best weights are in {folder.weights}; curves, checkpoints and {pictures} beside it."
    )
    for file in exported:
        click.echo(f"  {file}")
    if not exported:
        click.echo(f"Export them:  mvt-nas export {folder.path} --to onnx")
