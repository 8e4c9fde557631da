"""What the command line asks ``mvt-nas train`` for, as a job."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mvt_nas.fitting.job import Job
    from mvt_nas.fitting.recipe import Recipe
    from mvt_nas.fitting.start import Start

_SUFFIXES = (".yaml", ".yml")


def asked(network: str | None, recipe: str | None, given: dict[str, Any]) -> Job:
    """Return what is to be trained, from a configuration or the name of a network."""
    from mvt_nas.cli.resolve import named
    from mvt_nas.export.subject import identifier, nearest
    from mvt_nas.fitting.config import Config
    from mvt_nas.fitting.job import Job
    from mvt_nas.fitting.preset import family, preset

    if network is None:
        raise click.UsageError("CONFIG is missing: a file of mvt-nas export --to trainer, or a network such as mobilevit_xs with --recipe")
    start = _start(given)
    how: Recipe | None
    if Path(network).suffix in _SUFFIXES:
        config = Config.load(Path(network))
        name, like, architecture, how = config.name, config.nearest, config.architecture, config.recipe
        start = start if start.path is not None or config.weights is None else replace(start, path=config.weights)
    else:
        own = named(network)
        name, architecture = identifier(own.stem), own.architecture
        like = own.config.nearest if own.config else nearest(architecture)
        how = own.config.recipe if own.config else None
        start = replace(start, path=own.weights) if own.folder and start.path is None else start
    if recipe is not None or how is None:
        how = preset(recipe or family(like), like, architecture.resolution_px)
    if "data" not in given:
        raise click.UsageError("--data is missing: digits, a folder of pictures by class, .npz or Parquet")
    how = _changed(how, given)
    rest = {name: given[name] for name in ("seed", "validation_share") if name in given}
    return Job(name=name, nearest=like, architecture=architecture, recipe=how, data=given["data"], start=start, **rest)


def resumed(out: Path | None, given: dict[str, Any]) -> tuple[Job, int]:
    """Return the training in a folder, and the threads that it was started with; options may contradict it, which is then refused."""
    from mvt_nas.errors import TrainingError
    from mvt_nas.fitting.config import Config
    from mvt_nas.fitting.folder import Folder
    from mvt_nas.fitting.job import Job

    if out is None:
        raise click.UsageError("--resume needs --out, the folder of the training to go on with")
    path = Folder(out).config
    config = Config.load(path)
    kept = config.training
    if kept is None:
        raise TrainingError(f"{path}: is of no training that was begun (no key training); leave out --resume")
    start = _start({"weights": kept.weights, "warm_start": kept.warm_start} | given)
    own = {name: given.get(name, getattr(kept, name)) for name in ("data", "seed", "validation_share")}
    recipe = _changed(config.recipe, given)
    return Job(name=config.name, nearest=config.nearest, architecture=config.architecture, recipe=recipe, start=start, **own), kept.threads


def _start(given: dict[str, Any]) -> Start:
    from mvt_nas.fitting.start import Start

    weights, other = given.get("weights"), given.get("warm_start")
    if weights is not None and other is not None:
        raise click.UsageError("--weights and --warm-start are both given; one of them says what to begin with")
    path = weights if weights is not None else other
    return Start(None if path is None else Path(path), same=other is None)


def _changed(recipe: Recipe, given: dict[str, Any]) -> Recipe:
    """Return the recipe with what the command line says otherwise."""
    import yaml

    from mvt_nas.errors import TrainingError

    values: dict[str, Any] = {}
    for text in given.get("changes", ()):
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise TrainingError(f"--set {text!r} cannot be read; write for example --set optimisation.weight_decay=0.05")
        try:
            values[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise TrainingError(f"--set {text!r}: the value {value!r} cannot be read") from None
    recipe = recipe.at(given["px"]) if "px" in given else recipe
    recipe = recipe.lasting(given["epochs"]) if "epochs" in given else recipe
    if "batch" in given:
        at_once = min(recipe.batches.images_per_device, given["batch"])
        recipe = recipe.changed({"batches.images": given["batch"], "batches.images_per_device": at_once})
    return recipe.changed(values, "--set") if values else recipe
