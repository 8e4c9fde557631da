"""``mvt-nas train``: trains a chosen network by a full recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mvt_nas._threads_and_malloc import keep_freed_memory
from mvt_nas.cli.options import JSON
from mvt_nas.cli.parameters import FILE, FOLDER
from mvt_nas.cli.render import print_table
from mvt_nas.training.presets import RECIPES


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
@JSON
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
    from mvt_nas.cli.training_run import run_training

    keep_freed_memory()
    given = {name: value for name, value in settings.items() if value is not None and value != ()}
    run_training(network, recipe, out, resume, targets, as_json, given)


def _print_recipes() -> None:
    print_table(
        ["recipe", "description", "source"],
        [[name, RECIPES.get(name).summary, RECIPES.get(name).source] for name in RECIPES],
        3,
    )
