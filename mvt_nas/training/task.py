"""What a training has to know of its task: pictures, network, loss, figures, and what is drawn at the end."""

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
    """What is particular to its task in one training, with the pictures opened.

    Attributes:
        kind: name of the task.
        job: what is trained; a task has as many classes as the pictures.
        class_names: by label.
        parts: which pictures are for what.
        where: the pictures' source in words.
        at_hand: whether pictures cost nothing to read.
        learnt: the pictures to learn from, indexed by what the sampler wants.
        judged: the pictures to judge by, indexed by row.
        collate: makes a batch of some.
    """

    kind: ClassVar[str]
    job: TrainingJob
    class_names: tuple[str, ...]
    parts: DataSplit
    where: str
    at_hand: bool
    learnt: Dataset[Any]
    judged: Dataset[Any]
    collate: Callable[[Any], Any]

    @property
    def shares(self) -> Mapping[str, str]:
        """What is counted beside the loss: names of columns, and titles; the best epoch is chosen by the first."""
        return METRIC_TITLES[self.kind]

    def network(self) -> Backbone:
        """Return the network with initial weights."""
        job, how = self.job, self.job.recipe.regularisation
        return build_model(
            job.architecture,
            task=job.task,
            num_classes=len(self.class_names),
            dropout=how.dropout,
            head_dropout=how.classifier_dropout,
            seed=job.seed,
        )

    @abstractmethod
    def lesson(
        self, batch: Any, device: torch.device, random: np.random.Generator
    ) -> tuple[Tensor, Any]:
        """Return images (B, 3, H, W), float32 from 0 to 1, and targets on a device, mixed where the recipe says so."""

    @abstractmethod
    def loss(self, outputs: Any, targets: Any) -> Tensor:
        """Return the mean loss of what the network gave."""

    @abstractmethod
    def tally(self, device: torch.device) -> MetricAccumulator[Any]:
        """Return what counts how good one network is."""

    @abstractmethod
    def draw(self, judged: Any, folder: TrainingFolder) -> tuple[Path, ...]:
        """Draw what the best weights make of the validation pictures into a folder; return the files.

        Raises:
            TrainingError: a picture cannot be written.
        """


TRAINING_TASKS: Registry[Callable[[TrainingJob], TrainingTask]] = Registry(
    "task of a training", "mvt_nas.training.tasks"
)
"""``job -> TaskFit``, by the task's name; raises ``DataError`` and ``TrainingError``."""
