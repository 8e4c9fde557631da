"""``mvt-nas train``: trains a chosen network by a full recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mvt_nas._threads_and_malloc import keep_freed_memory
from mvt_nas.cli.parameters import FILE, FOLDER
from mvt_nas.cli.progress import TrainingProgress
from mvt_nas.cli.render import print_json, print_table
from mvt_nas.training.history import METRIC_TITLES
from mvt_nas.training.presets import RECIPES

if TYPE_CHECKING:
    from mvt_nas.training.accelerator import AcceleratorConfig
    from mvt_nas.training.history import ValidationMetrics
    from mvt_nas.training.job import TrainingJob
    from mvt_nas.training.result import TrainingResult


@click.command("train")
@click.argument("network", metavar="[CONFIG|RUN:ID|FOLDER|NAME|FILE]", required=False)
@click.option(
    "--data",
    metavar="SOURCE",
    help=(
        "Images: digits, a folder by class, .npz, Parquet; for other tasks shapes, or a VOC or"
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
    help="Resume the training in --out; the options it was started with may be omitted.",
)
@click.option(
    "--weights",
    type=FILE,
    metavar="FILE",
    help="Checkpoint of this network with initial weights, in any known format.",
)
@click.option(
    "--warm-start",
    type=click.Path(path_type=Path),
    metavar="OTHER",
    help="Checkpoint or training folder of another network; tensors that fit are used.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    metavar="N",
    help="Number of epochs.  [default: the recipe's]",
)
@click.option(
    "--batch",
    type=click.IntRange(1),
    metavar="N",
    help="Images per step, over all devices.  [default: the recipe's]",
)
@click.option(
    "--px",
    type=click.IntRange(16, 2048),
    metavar="PX",
    help="Side of the images.  [default: the network's]",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="GROUP.FIELD=VALUE",
    help="Override a value of the recipe; may be repeated.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    metavar="S",
    help="Seed of weights, order, augmentation and split.  [default: 0]",
)
@click.option(
    "--validation-share",
    type=float,
    metavar="SHARE",
    help="Share of validation images, if the source has no such split.  [default: 0.2]",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Device to train on.",
)
@click.option(
    "--devices",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Number of GPUs or processes.  [default: all GPUs, or one process]",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
    default="auto",
    show_default=True,
    help="Precision; auto: 16 bits on GPUs.",
)
@click.option(
    "--workers",
    type=click.IntRange(0, 256),
    metavar="N",
    help="Processes that read images.  [default: one per core, at most 8]",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="CPU threads for each device.  [default: torch's]",
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
    help="Write curves for TensorBoard.  [default: if it is installed]",
)
@click.option(
    "--to",
    "targets",
    multiple=True,
    metavar="TARGET",
    help="Export the best weights at the end (mvt-nas export); repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def train_command(
    network: str | None,
    recipe: str | None,
    out: Path | None,
    resume: bool,
    targets: tuple[str, ...],
    as_json: bool,
    **settings: Any,
) -> None:
    """Train a network by a full recipe, and keep its best weights.

    CONFIG is a file of mvt-nas export --to trainer; any other network takes --recipe: a candidate
    of a run (results/phone:19, results/phone:knee), a published model, an architecture file. FOLDER
    is another training, whose weights are the initial ones. If it is interrupted, the same command
    resumes it, with the same resulting weights. --out gets config.yaml, network.json, metrics.csv,
    weights.pt, checkpoints, and plots of the evaluation.
    """
    if recipe == "list":
        _print_recipes()
        return
    # They load YAML and torch.
    from mvt_nas.cli.training_job import new_job, resumed_job
    from mvt_nas.training.api import train

    keep_freed_memory()
    given = {name: value for name, value in settings.items() if value is not None and value != ()}
    if resume and network is None:
        job, threads = resumed_job(out, given)
    else:
        # Torch chooses the number of threads.
        job, threads = new_job(network, recipe, given), 0
    folder = out or Path("trained") / job.name
    _check_targets(targets, job)
    with TrainingProgress() as progress:
        callbacks = progress.callbacks(job.recipe.optimisation.epochs, job.kind)
        result = train(job, folder, _accelerator(given, threads), callbacks)
    if not result.is_global_zero:
        return
    exported = _export(result, targets)
    if as_json:
        print_json(_to_data(result) | {"exported": exported})
    else:
        _print_result(result, exported)


def _print_recipes() -> None:
    print_table(
        ["recipe", "description", "source"],
        [[name, RECIPES.get(name).summary, RECIPES.get(name).source] for name in RECIPES],
        3,
    )


def _accelerator(given: dict[str, Any], threads: int) -> AcceleratorConfig:
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
    chosen = {name: given[name] for name in names if name in given}
    return AcceleratorConfig(**({"threads": threads} | chosen))


def _check_targets(targets: tuple[str, ...], job: TrainingJob) -> None:
    """Check, before the training, that all targets exist and take such networks."""
    from mvt_nas.export.verification import usable_target

    for name in targets:
        usable_target(name, job.task)


def _export(result: TrainingResult, targets: tuple[str, ...]) -> list[str]:
    """Export the best weights; return the files."""
    if not targets:
        return []
    from mvt_nas.export.model import export_model
    from mvt_nas.export.verification import export_all

    job, folder = result.job, result.folder
    model = export_model(
        job.name,
        job.architecture,
        num_classes=len(result.class_names),
        weights=folder.weights,
        task=job.task,
    )
    exports = export_all(model, targets, folder.path / "exported")
    wrong = [export.target for export in exports if not export.same]
    if wrong:
        raise click.ClickException(
            f"exported networks give other results: {', '.join(wrong)}; mvt-nas export shows the"
            " differences"
        )
    return [str(file) for export in exports for file in export.files]


def _to_data(result: TrainingResult) -> dict[str, Any]:
    return {
        "name": result.job.name,
        "epochs": len(result.history),
        "best": {"epoch": result.best.epoch, "averaged": result.averaged},
        "judged": {
            name: {"loss": metrics.loss, **metrics.shares}
            for name, metrics in _metrics(result).items()
        },
        "folder": str(result.folder.path),
        "weights": str(result.folder.weights),
        "network": str(result.folder.network),
        "unreadable": list(result.unreadable),
    }


def _metrics(result: TrainingResult) -> dict[str, ValidationMetrics]:
    return {"best": result.evaluation.metrics, "last_averaged": result.last_evaluation.metrics}


def _print_result(result: TrainingResult, exported: list[str]) -> None:
    weights = [
        f"best: epoch {result.best.epoch}{', averaged' if result.averaged else ''}",
        f"last: epoch {len(result.history)}, averaged",
    ]
    rows = []
    for name, metrics in zip(weights, _metrics(result).values(), strict=True):
        shares = [f"{100 * share:.2f}" for share in metrics.shares.values()]
        rows.append([name, f"{metrics.loss:.4f}", *shares])
    titles = [f"{title} %" for title in METRIC_TITLES[result.job.kind].values()]
    print_table(["weights", "loss", *titles], rows)
    for name in result.unreadable:
        click.echo(f"Unreadable: {name}", err=True)
    folder = result.folder
    plots = " and ".join(path.name for path in result.plots)
    click.echo(
        f"\nThe best weights are in {folder.weights}; curves, checkpoints and {plots} are in the"
        " same folder."
    )
    for file in exported:
        click.echo(f"  {file}")
    if not exported:
        click.echo(f"Export them:  mvt-nas export {folder.path} --to onnx")
