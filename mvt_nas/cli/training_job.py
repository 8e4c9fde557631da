"""What the command line asks ``mvt-nas train`` for, as a job."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mvt_nas.tasks.base import Task
    from mvt_nas.training.initial_weights import Initialization
    from mvt_nas.training.job import TrainingJob
    from mvt_nas.training.recipe import Recipe

_SUFFIXES = (".yaml", ".yml")
_DATA = {
    True: "digits, a folder of pictures by class, .npz or Parquet",
    False: "shapes, a folder in the form of Pascal VOC or COCO, or of images/ and masks/",
}
"""What is learnt from, by whether it is for classification."""


def asked(network: str | None, recipe: str | None, given: dict[str, Any]) -> TrainingJob:
    """Return what is to be trained, from a configuration or the name of a network."""
    from mvt_nas.cli.network_spec import resolve_network
    from mvt_nas.export.model import identifier, nearest_published
    from mvt_nas.training.config import TrainingConfig
    from mvt_nas.training.job import TrainingJob

    if network is None:
        raise click.UsageError(
            "CONFIG is missing: a file of mvt-nas export --to trainer, or a network such as"
            " mobilevit_xs with --recipe"
        )
    start = _start(given)
    how: Recipe | None
    if Path(network).suffix in _SUFFIXES:
        config = TrainingConfig.load(Path(network))
        name, like, architecture, how, task = (
            config.name,
            config.nearest,
            config.architecture,
            config.recipe,
            config.task,
        )
        start = (
            start
            if start.path is not None or config.weights is None
            else replace(start, path=config.weights)
        )
    else:
        own = resolve_network(network)
        name, architecture = identifier(own.stem), own.architecture
        like = own.config.nearest if own.config else nearest_published(architecture)
        how, task = (own.config.recipe, own.config.task) if own.config else (None, None)
        if own.folder and start.path is None:  # of another task's training, the backbone is taken
            start = replace(
                start, path=own.weights, same=_kind(task) == _kind(_task(task, given)[0])
            )
    task, num_classes = _task(task, given)
    how = _changed(_recipe(recipe, how, _kind(task), like, architecture.resolution_px), given)
    if "data" not in given:
        raise click.UsageError(f"--data is missing: {_DATA[task is None]}")
    rest: dict[str, Any] = {
        name: given[name] for name in ("seed", "validation_share") if name in given
    }
    rest |= {"task": task, "num_classes": num_classes}
    return TrainingJob(
        name=name,
        nearest=like,
        architecture=architecture,
        recipe=how,
        data=given["data"],
        start=start,
        **rest,
    )


def _kind(task: Task | None) -> str:
    return "classification" if task is None else task.kind


def _task(own: Task | None, given: dict[str, Any]) -> tuple[Task | None, int | None]:
    """Return the task, ``None`` for classification, and how many classes the pictures have to have, if that is said."""
    from mvt_nas.tasks.base import task_from_text

    text = given.get("task")
    if text is None:
        return own, None
    task = task_from_text(text)
    if task is not None and "resolution_px" in text:
        given.setdefault("px", task.resolution_px)
    return task, task.num_classes if task is not None and "num_classes" in text else None


def _recipe(name: str | None, own: Recipe | None, kind: str, like: str, px: int) -> Recipe:
    """Return the recipe of a name, or the configuration's own if it is for the task, or else the papers'."""
    from mvt_nas.training.presets import check_kind, default_recipe, preset

    if name is None and own is not None and own.kind == kind:
        return own
    if name is not None:
        check_kind(name, kind)
    return preset(name or default_recipe(kind, like), like, px)


def resumed(out: Path | None, given: dict[str, Any]) -> tuple[TrainingJob, int]:
    """Return the training in a folder, and the threads that it was started with; options may contradict it, which is then refused."""
    from mvt_nas.errors import TrainingError
    from mvt_nas.training.config import TrainingConfig
    from mvt_nas.training.folder import TrainingFolder
    from mvt_nas.training.job import TrainingJob

    if out is None:
        raise click.UsageError("--resume needs --out, the folder of the training to go on with")
    path = TrainingFolder(out).config
    config = TrainingConfig.load(path)
    kept = config.training
    if kept is None:
        raise TrainingError(
            f"{path}: is of no training that was begun (no key training); leave out --resume"
        )
    start = _start({"weights": kept.weights, "warm_start": kept.warm_start} | given)
    own = {
        name: given.get(name, getattr(kept, name)) for name in ("data", "seed", "validation_share")
    }
    task, num_classes = _task(config.task, given)
    own |= {
        "task": task,
        "num_classes": num_classes or (None if task is None else task.num_classes),
    }
    recipe = _changed(config.recipe, given)
    return (
        TrainingJob(
            name=config.name,
            nearest=config.nearest,
            architecture=config.architecture,
            recipe=recipe,
            start=start,
            **own,
        ),
        kept.threads,
    )


def _start(given: dict[str, Any]) -> Initialization:
    from mvt_nas.training.initial_weights import Initialization

    weights, other = given.get("weights"), given.get("warm_start")
    if weights is not None and other is not None:
        raise click.UsageError(
            "--weights and --warm-start are both given; one of them says what to begin with"
        )
    path = weights if weights is not None else other
    return Initialization(None if path is None else Path(path), same=other is None)


def _changed(recipe: Recipe, given: dict[str, Any]) -> Recipe:
    """Return the recipe with what the command line says otherwise."""
    import yaml

    from mvt_nas.errors import TrainingError

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
        at_once = min(recipe.batches.images_per_device, given["batch"])
        recipe = recipe.changed(
            {"batches.images": given["batch"], "batches.images_per_device": at_once}
        )
    return recipe.changed(values, "--set") if values else recipe
