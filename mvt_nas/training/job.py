"""What is to be trained, how, on what: all that decides the weights that come out."""

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
    """A training that is asked for.

    Attributes:
        name: a Python identifier.
        nearest: the published model that the network is most like.
        architecture: of the network, or of its backbone; for classification, its resolution is that
            which the recipe judges at.
        recipe: how it is trained.
        data: source of the pictures, see :func:`mvt_nas.data.load_images`; a path becomes absolute.
        validation_share: of the pictures that are judged by, where the source keeps none for it.
        seed: of weights, order, augmentation and split.
        start: weights to begin with.
        task: what the network is used for; ``None`` for classification. Its resolution is that
            which the recipe judges at.
        num_classes: that the pictures have to have; ``None`` for those that they have. A task
            counts classes as its pictures do.

    Raises:
        TrainingError: a share or a seed that is not allowed, or a recipe for another task.
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
        path = self.start.path
        object.__setattr__(
            self,
            "start",
            dataclasses.replace(self.start, path=None if path is None else path.resolve()),
        )
        object.__setattr__(
            self, "data", str(Path(self.data).resolve()) if Path(self.data).exists() else self.data
        )
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
        """Return the job with the classes of its pictures; ``where`` says which pictures.

        Raises:
            DataError: it asks for another number.
        """
        if self.num_classes not in (None, len(names)):
            some = f"{listing(names[:5])}{', …' if len(names) > 5 else ''}"
            raise DataError(
                f"{where}: has {len(names)} classes ({some}), not num_classes = {self.num_classes}"
                " as the task says"
            )
        task = None if self.task is None else for_classes(self.task, len(names))
        return dataclasses.replace(self, task=task)

    def identity(self, pictures: str, devices: int, precision: str) -> dict[str, Any]:
        """Return what has to be equal for a checkpoint to be of the same training.

        Args:
            pictures: hash of the pictures and their split.
            devices: that take part; order and dropout depend on their number.
            precision: of the arithmetic.
        """
        own = {
            "architecture": self.architecture.key,
            "pictures": pictures,
            "seed": self.seed,
            "start": self.start.words,
        }
        recipe = {
            f"recipe.{group}.{name}": value
            for group, values in self.recipe.to_dict().items()
            for name, value in values.items()
        }
        task = {} if self.task is None else {"task": str(self.task)}
        return own | recipe | task | {"devices": devices, "precision": precision}
