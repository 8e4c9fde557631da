"""The configuration file of a training: an architecture, a recipe, and initial weights.

``mvt-nas export X --to trainer`` writes one, and every training leaves one in its folder, which
also names its data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from mvt_nas._yaml import read_yaml
from mvt_nas.errors import ArchitectureError, SpaceError, TrainingError, listing, nearest
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published_names
from mvt_nas.tasks.base import CLASSIFICATION, Task, task_from_dict
from mvt_nas.training.recipe import Recipe

MARK = "mvt_nas_trainer"
"""The key that identifies such a file; its value is the version of the format."""

FORMAT = 1

_KEYS = (
    MARK,
    "name",
    "nearest",
    "num_classes",
    "weights",
    "task",
    "recipe",
    "architecture",
    "training",
)
_HEAD = (
    "# Read by: mvt-nas train {name} --data DIR. All values may be changed; names carry units,"
    " shares are from 0 to 1.\n"
)
_MOST_CLASSES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedTraining:
    """The settings that a training was started with, in addition to network and recipe.

    Attributes:
        data: Source of the images; a path is absolute.
        validation_share: Share of images for validation, if the source has no such split.
        seed: Seed of weights, order, augmentation and split.
        threads: CPU threads of torch.
        weights: Checkpoint of the same network with the initial weights; ``None`` for none.
        warm_start: Checkpoint of another network with some of them; ``None`` for none.
        class_names: Names of the classes, by label.
    """

    data: str
    validation_share: float
    seed: int
    threads: int
    weights: str | None
    warm_start: str | None
    class_names: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {
            "class_names": list(self.class_names)
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """The configuration of a training.

    Attributes:
        name: Python identifier.
        nearest: Published model whose recipe it is.
        num_classes: Number of classes of the weights; a training takes that of its images.
        weights: Checkpoint with initial weights; ``None`` for the usual initialization.
        recipe: Training recipe.
        architecture: Network to train.
        task: Task of the network; ``None`` for classification.
        training: Settings of a started training, in its folder; else ``None``.
    """

    name: str
    nearest: str
    num_classes: int
    weights: Path | None
    recipe: Recipe
    architecture: Architecture
    task: Task | None = None
    training: StartedTraining | None = None

    def to_yaml(self, path: Path) -> str:
        """Return the content of a file at ``path``; weights are named relative to its folder."""
        weights = None if self.weights is None else _relative(self.weights, path.parent)
        data = {
            MARK: FORMAT,
            "name": self.name,
            "nearest": self.nearest,
            "num_classes": self.num_classes,
            "weights": weights,
        }
        data |= {} if self.task is None else {"task": self.task.to_dict()}
        data |= {"recipe": self.recipe.to_dict(), "architecture": self.architecture.to_dict()}
        data |= {} if self.training is None else {"training": self.training.to_dict()}
        return _HEAD.format(name=path.name) + yaml.safe_dump(
            data, sort_keys=False, allow_unicode=True, width=120
        )

    @staticmethod
    def load(path: Path) -> TrainingConfig:
        """Return the configuration in a file.

        Raises:
            TrainingError: it cannot be read, or a value is not allowed; the message names file and
                key.
        """
        data = read_training_config(path)
        if data is None:
            raise TrainingError(
                f"{path}: not a configuration of a training (no key {MARK}); mvt-nas export NETWORK"
                " --to trainer writes one"
            )
        return _config(data, path)


def read_training_config(path: Path) -> Mapping[str, Any] | None:
    """Return the plain data of a configuration, ``None`` if the file is another kind of YAML.

    Raises:
        TrainingError: it cannot be read, is not YAML, or has another version of the format.
    """
    try:
        data = read_yaml(path)
    except SpaceError as error:
        raise TrainingError(str(error)) from None
    if not isinstance(data, Mapping) or MARK not in data:
        return None
    if data[MARK] != FORMAT or type(data[MARK]) is not int:
        raise TrainingError(
            f"{path}: {MARK} = {data[MARK]!r} is not known; this version reads {FORMAT}"
        )
    return data


def _config(data: Mapping[str, Any], path: Path) -> TrainingConfig:
    for name in data:
        if name not in _KEYS:
            raise TrainingError(
                f"{path}: unknown key {name!r}{nearest(str(name), _KEYS)} (known: {listing(_KEYS)})"
            )
    missing = [
        name for name in ("name", "nearest", "recipe", "architecture") if data.get(name) is None
    ]
    if missing:
        raise TrainingError(f"{path}: {listing(missing)} is missing")
    try:
        architecture = Architecture.from_dict(data["architecture"], f"{path}: architecture")
        task = None if data.get("task") is None else task_from_dict(data["task"], f"{path}: task")
    except ArchitectureError as error:
        raise TrainingError(str(error)) from None
    recipe = Recipe.from_dict(data["recipe"], f"{path}: recipe")
    kind = CLASSIFICATION if task is None else task.kind
    if recipe.kind != kind:
        raise TrainingError(f"{path}: recipe: is for {recipe.kind}, task is {kind}")
    return TrainingConfig(
        name=_name(data["name"], f"{path}: name"),
        nearest=_published_name(data["nearest"], f"{path}: nearest"),
        num_classes=_integer(
            data.get("num_classes", 1000), 1, _MOST_CLASSES, f"{path}: num_classes"
        ),
        weights=_weights(data.get("weights"), path),
        recipe=recipe,
        architecture=architecture,
        task=task,
        training=_training(data.get("training"), f"{path}: training"),
    )


def _name(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.isidentifier():
        raise TrainingError(
            f"{where} = {value!r} is not allowed; letters, digits and underscores, no digit first"
        )
    return value


def _published_name(value: object, where: str) -> str:
    names = published_names()
    if value not in names:
        raise TrainingError(
            f"{where} = {value!r} is not allowed; one of"
            f" {listing(names)}{nearest(str(value), names)}"
        )
    return str(value)


def _integer(value: object, low: int, high: int, where: str) -> int:
    if type(value) is not int or not low <= value <= high:
        raise TrainingError(f"{where} = {value!r} is not allowed; an integer from {low} to {high}")
    return value


def _weights(value: object, path: Path) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise TrainingError(
            f"{path}: weights = {value!r} is not allowed; null or the path of a checkpoint, from"
            " this file's folder"
        )
    return path.parent / value


def _training(data: object, where: str) -> StartedTraining | None:
    if data is None:
        return None
    known = [field.name for field in fields(StartedTraining)]
    if not isinstance(data, Mapping) or set(data) != set(known):
        raise TrainingError(
            f"{where}: damaged; a mapping with the keys {listing(known)} is expected"
        )
    names = data["class_names"]
    share = data["validation_share"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TrainingError(f"{where}.class_names: damaged; a list of texts is expected")
    for name, kinds, allowed in (
        ("data", str, "a text"),
        ("weights", str | None, "a text or null"),
        ("warm_start", str | None, "a text or null"),
    ):
        if not isinstance(data[name], kinds):
            raise TrainingError(f"{where}.{name} = {data[name]!r} is not allowed; {allowed}")
    if type(share) is not float or not 0 < share < 1:
        raise TrainingError(
            f"{where}.validation_share = {share!r} is not allowed; a number above 0 and below 1"
        )
    return StartedTraining(
        data=data["data"],
        validation_share=share,
        seed=_integer(data["seed"], 0, 2**31 - 1, f"{where}.seed"),
        threads=_integer(data["threads"], 1, 1024, f"{where}.threads"),
        weights=data["weights"],
        warm_start=data["warm_start"],
        class_names=tuple(names),
    )


def _relative(path: Path, folder: Path) -> str:
    """Return a path relative to a folder, or absolute if it is outside of it."""
    try:
        return str(path.resolve().relative_to(folder.resolve()))
    except ValueError:
        return str(path.resolve())
