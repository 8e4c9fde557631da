"""The interface of a training to its task: images, network, loss, metrics and final plots."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mvt_nas.models.network import Backbone, build_model
from mvt_nas.registry import Registry
from mvt_nas.training.evaluation import MetricAccumulator
from mvt_nas.training.folder import TrainingFolder
from mvt_nas.training.history import METRIC_TITLES
from mvt_nas.training.job import TrainingJob
from mvt_nas.training.split import DataSplit


class TrainingTask(ABC):
    """The task of one training, with its images opened.

    Attributes:
        kind: Name of the task.
        job: Training job; a task has the number of classes of its images.
        class_names: Names of the classes, by label.
        split: Training and validation images.
        where: Description of the images' source.
        in_memory: Whether images cost nothing to read.
        train_dataset: Training images, indexed by :class:`ImageRequest`.
        validation_dataset: Validation images, indexed by row.
        collate: Makes a batch of samples.
    """

    kind: ClassVar[str]
    job: TrainingJob
    class_names: tuple[str, ...]
    split: DataSplit
    where: str
    in_memory: bool
    train_dataset: Dataset[Any]
    validation_dataset: Dataset[Any]
    collate: Callable[[Any], Any]

    @property
    def metric_titles(self) -> Mapping[str, str]:
        """Titles of the metrics by column; the best epoch is chosen by the first."""
        return METRIC_TITLES[self.kind]

    def build_network(self) -> Backbone:
        """Return the network with initial weights."""
        job, regularisation = self.job, self.job.recipe.regularisation
        return build_model(
            job.architecture,
            task=job.task,
            num_classes=len(self.class_names),
            dropout=regularisation.dropout,
            head_dropout=regularisation.classifier_dropout,
            seed=job.seed,
        )

    @abstractmethod
    def training_batch(
        self, batch: Any, device: torch.device, random: np.random.Generator
    ) -> tuple[Tensor, Any]:
        """Return images (B, 3, H, W), float32 from 0 to 1, and targets on a device.

        They are mixed if the recipe says so.
        """

    @abstractmethod
    def loss(self, outputs: Any, targets: Any) -> Tensor:
        """Return the mean loss of the network's outputs."""

    @abstractmethod
    def new_accumulator(self, device: torch.device) -> MetricAccumulator[Any]:
        """Return an empty accumulator of one network's metrics."""

    @abstractmethod
    def plot(self, evaluation: Any, folder: TrainingFolder) -> tuple[Path, ...]:
        """Plot the evaluation of the best weights into a folder; return the files.

        Raises:
            TrainingError: a file cannot be written.
        """


TRAINING_TASKS: Registry[Callable[[TrainingJob], TrainingTask]] = Registry(
    "task of a training", "mvt_nas.training.tasks"
)
"""``job -> TrainingTask``, by the task's name; raises ``DataError`` and ``TrainingError``."""
