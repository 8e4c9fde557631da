"""A training job: network, recipe and data, everything that determines the trained weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvt_nas.errors import DataError, TrainingError, listing
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import CLASSIFICATION, Task, at_resolution, for_classes
from mvt_nas.training.initial_weights import INITIAL, Initialization
from mvt_nas.training.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """A requested training.

    Attributes:
        name: Python identifier.
        nearest: Published model that is most similar to the network.
        architecture: Architecture of the network, or of its backbone; for classification, it gets
            the resolution of the recipe's evaluation.
        recipe: Training recipe.
        data: Source of the images, see :func:`mvt_nas.data.load_images`; a path becomes absolute.
        validation_share: Share of images for validation, if the source has no such split.
        seed: Seed of weights, order, augmentation and split.
        start: Initial weights.
        task: Task of the network; ``None`` for classification. It gets the resolution of the
            recipe's evaluation.
        num_classes: Number of classes that the images must have; ``None`` for any. It is counted
            as the task counts classes.

    Raises:
        TrainingError: a share or a seed is not allowed, or the recipe is for another task.
    """

    name: str
    nearest: str
    architecture: Architecture
    recipe: Recipe
    data: str
    validation_share: float = 0.2
    seed: int = 0
    start: Initialization = INITIAL
    task: Task | None = None
    num_classes: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.validation_share, float) or not 0 < self.validation_share < 1:
            raise TrainingError(
                f"validation_share = {self.validation_share!r} is not allowed; a number above 0 and"
                " below 1"
            )
        if type(self.seed) is not int or not 0 <= self.seed < 2**31:
            raise TrainingError(
                f"seed = {self.seed!r} is not allowed; an integer from 0 to {2**31 - 1}"
            )
        if self.start.path is not None:
            start = dataclasses.replace(self.start, path=self.start.path.resolve())
            object.__setattr__(self, "start", start)
        if Path(self.data).exists():
            object.__setattr__(self, "data", str(Path(self.data).resolve()))
        if self.recipe.kind != self.kind:
            raise TrainingError(f"the recipe is for {self.recipe.kind}, the task is {self.kind}")
        if self.task is None:
            used = dataclasses.replace(self.architecture, resolution_px=self.recipe.images.px)
            object.__setattr__(self, "architecture", used)
        else:
            object.__setattr__(self, "task", at_resolution(self.task, self.recipe.images.px))

    @property
    def kind(self) -> str:
        """The name of the task."""
        return CLASSIFICATION if self.task is None else self.task.kind

    def for_classes(self, names: Sequence[str], where: str) -> TrainingJob:
        """Return the job with the classes of its images.

        Args:
            names: Names of the classes, by label.
            where: Description of the images, for the message.

        Raises:
            DataError: the job demands another number of classes.
        """
        if self.num_classes not in (None, len(names)):
            some = f"{listing(names[:5])}{', …' if len(names) > 5 else ''}"
            raise DataError(
                f"{where}: has {len(names)} classes ({some}), not num_classes = {self.num_classes}"
                " as the task says"
            )
        task = None if self.task is None else for_classes(self.task, len(names))
        return dataclasses.replace(self, task=task)

    def identity(self, images: str, devices: int, precision: str) -> dict[str, Any]:
        """Return the values that two checkpoints of the same training have in common.

        Args:
            images: Hash of the images and their split.
            devices: Number of devices; order and dropout depend on it.
            precision: Fabric's name of the precision.
        """
        own = {
            "architecture": self.architecture.key,
            "pictures": images,
            "seed": self.seed,
            "start": self.start.description,
        }
        recipe = {
            f"recipe.{group}.{name}": value
            for group, values in self.recipe.to_dict().items()
            for name, value in values.items()
        }
        task = {} if self.task is None else {"task": str(self.task)}
        return own | recipe | task | {"devices": devices, "precision": precision}
