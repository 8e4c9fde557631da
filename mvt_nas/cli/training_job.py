"""The training job that the options of ``mvt-nas train`` describe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import yaml

from mvt_nas.cli.network_spec import resolve_network
from mvt_nas.errors import TrainingError
from mvt_nas.export.model import identifier, nearest_published
from mvt_nas.tasks.base import Task, task_from_text
from mvt_nas.training.config import TrainingConfig
from mvt_nas.training.folder import TrainingFolder
from mvt_nas.training.initial_weights import Initialization
from mvt_nas.training.job import TrainingJob
from mvt_nas.training.presets import check_kind, default_recipe, preset
from mvt_nas.training.recipe import Recipe

_SUFFIXES = (".yaml", ".yml")
_DATA = {
    True: "digits, a folder of images by class, .npz or Parquet",
    False: "shapes, a folder in the form of Pascal VOC or COCO, or of images/ and masks/",
}
"""Sources of images, for classification (True) and for other tasks."""


def new_job(network: str | None, recipe: str | None, given: dict[str, Any]) -> TrainingJob:
    """Return the job to train a network, given its name or a configuration.

    Args:
        network: Name, file or folder of the network.
        recipe: Name of the recipe; ``None`` for the default.
        given: Options of the command line that have a value.
    """
    if network is None:
        raise click.UsageError(
            "CONFIG is missing: a file of mvt-nas export --to trainer, or a network such as"
            " mobilevit_xs with --recipe"
        )
    start = _initialization(given)
    config: TrainingConfig | None
    if Path(network).suffix in _SUFFIXES:
        config = TrainingConfig.load(Path(network))
        name, architecture = config.name, config.architecture
        if start.path is None and config.weights is not None:
            start = replace(start, path=config.weights)
    else:
        found = resolve_network(network)
        name, architecture, config = identifier(found.stem), found.architecture, found.config
        if found.folder and start.path is None:
            # Only the backbone of another task's training fits.
            own_kind = _kind(config.task if config else None)
            same = own_kind == _kind(_task(config.task if config else None, given)[0])
            start = replace(start, path=found.weights, same=same)
    published = config.nearest if config else nearest_published(architecture)
    task, num_classes = _task(config.task if config else None, given)
    own_recipe = config.recipe if config else None
    used = _recipe(recipe, own_recipe, _kind(task), published, architecture.resolution_px)
    if "data" not in given:
        raise click.UsageError(f"--data is missing: {_DATA[task is None]}")
    optional = {name: given[name] for name in ("seed", "validation_share") if name in given}
    return TrainingJob(
        name=name,
        nearest=published,
        architecture=architecture,
        recipe=_changed(used, given),
        data=given["data"],
        start=start,
        task=task,
        num_classes=num_classes,
        **optional,
    )


def _kind(task: Task | None) -> str:
    return "classification" if task is None else task.kind


def _task(own: Task | None, given: dict[str, Any]) -> tuple[Task | None, int | None]:
    """Return the task, ``None`` for classification, and the required number of classes, if any."""
    text = given.get("task")
    if text is None:
        return own, None
    task = task_from_text(text)
    if task is not None and "resolution_px" in text:
        given.setdefault("px", task.resolution_px)
    return task, task.num_classes if task is not None and "num_classes" in text else None


def _recipe(name: str | None, own: Recipe | None, kind: str, published: str, px: int) -> Recipe:
    """Return the recipe of a name, or the configuration's if it is for the task, or the paper's."""
    if name is None and own is not None and own.kind == kind:
        return own
    if name is not None:
        check_kind(name, kind)
    return preset(name or default_recipe(kind, published), published, px)


def resumed_job(out: Path | None, given: dict[str, Any]) -> tuple[TrainingJob, int]:
    """Return the job of the training in a folder, and the threads that it was started with.

    Options may contradict it; its checkpoint then refuses the job.
    """
    if out is None:
        raise click.UsageError("--resume needs --out, the folder of the training to resume")
    path = TrainingFolder(out).config
    config = TrainingConfig.load(path)
    started = config.training
    if started is None:
        raise TrainingError(
            f"{path}: not the config of a started training ('training' is missing); drop --resume"
        )
    task, num_classes = _task(config.task, given)
    job = TrainingJob(
        name=config.name,
        nearest=config.nearest,
        architecture=config.architecture,
        recipe=_changed(config.recipe, given),
        data=given.get("data", started.data),
        validation_share=given.get("validation_share", started.validation_share),
        seed=given.get("seed", started.seed),
        start=_initialization(
            {"weights": started.weights, "warm_start": started.warm_start} | given
        ),
        task=task,
        num_classes=num_classes or (None if task is None else task.num_classes),
    )
    return job, started.threads


def _initialization(given: dict[str, Any]) -> Initialization:
    weights, other = given.get("weights"), given.get("warm_start")
    if weights is not None and other is not None:
        raise click.UsageError("--weights and --warm-start are both given; choose one of them")
    path = weights if weights is not None else other
    return Initialization(None if path is None else Path(path), same=other is None)


def _changed(recipe: Recipe, given: dict[str, Any]) -> Recipe:
    """Return the recipe with the values that the command line overrides."""
    values: dict[str, Any] = {}
    for text in given.get("changes", ()):
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise TrainingError(
                f"--set {text!r} cannot be read; write for example --set"
                " optimisation.weight_decay=0.05"
            )
        try:
            values[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise TrainingError(f"--set {text!r}: the value {value!r} cannot be read") from None
    recipe = recipe.at(given["px"]) if "px" in given else recipe
    recipe = recipe.lasting(given["epochs"]) if "epochs" in given else recipe
    if "batch" in given:
        per_device = min(recipe.batches.images_per_device, given["batch"])
        recipe = recipe.changed(
            {"batches.images": given["batch"], "batches.images_per_device": per_device}
        )
    return recipe.changed(values, "--set") if values else recipe
