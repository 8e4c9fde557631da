"""Classification: top-1, top-5 and which classes a network takes for which."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mvt_nas.data.annotated_source import ANNOTATIONS, DETECTION
from mvt_nas.data.source import find_source
from mvt_nas.errors import DataError, listing
from mvt_nas.training.confusion_matrix import plot_confusion_matrix
from mvt_nas.training.dataset import (
    UNREADABLE,
    ImageBatch,
    TrainDataset,
    ValidationDataset,
    collate,
)
from mvt_nas.training.evaluation import MetricAccumulator, on_device, summed
from mvt_nas.training.folder import TrainingFolder
from mvt_nas.training.history import ValidationMetrics
from mvt_nas.training.job import TrainingJob
from mvt_nas.training.split import split_dataset
from mvt_nas.training.task import TRAINING_TASKS, TrainingTask
from mvt_nas.training.transforms.mixup import mix_batch

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True, slots=True, eq=False)
class ClassificationDataset:
    """What a network made of the validation pictures.

    Attributes:
        loss: mean cross-entropy, nats.
        top1: share of pictures whose likeliest class is right, 0 to 1.
        top5: the same of the five likeliest.
        confusion: (classes, classes), int64, pictures by true class and by that which they were
            taken for.
    """

    loss: float
    top1: float
    top5: float
    confusion: Tensor

    @property
    def scores(self) -> ValidationMetrics:
        """Loss and shares."""
        return ValidationMetrics(self.loss, {"top1": self.top1, "top5": self.top5})


class ClassificationMetrics(MetricAccumulator[ClassificationDataset]):
    """Counts pictures by their classes and those that a network gives them."""

    def __init__(self, num_classes: int, device: torch.device) -> None:
        self._sums = torch.zeros(3, dtype=torch.float64, device=device)
        self._confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64, device=device)

    def add(self, outputs: Tensor, batch: ImageBatch) -> None:
        """Count logits, (B, classes)."""
        labels = batch.labels.to(outputs.device, non_blocking=True)
        known = labels != UNREADABLE
        logits, labels = outputs.float()[known], labels[known]
        classes = logits.shape[1]
        self._sums[0] += functional.cross_entropy(logits, labels, reduction="sum").double()
        likeliest = logits.topk(min(5, classes), dim=1).indices
        hits = likeliest == labels[:, None]
        self._sums[1] += hits[:, 0].sum()
        self._sums[2] += hits.any(1).sum()
        self._confusion += torch.bincount(
            labels * classes + likeliest[:, 0], minlength=classes * classes
        ).view(classes, classes)

    def result(self, fabric: Fabric) -> ClassificationDataset:
        """Return what all devices counted."""
        sums, confusion = summed(self._sums, fabric), summed(self._confusion, fabric)
        count = int(confusion.sum())
        if not count:
            raise DataError("none of the validation pictures can be read")
        loss, first, five = (float(value) / count for value in sums)
        return ClassificationDataset(loss, first, five, confusion)


def _refuse_annotated(source: str) -> None:
    """Refuse a source of boxes: its folders would be taken for classes."""
    for found in (ANNOTATIONS.get(name) for name in ANNOTATIONS):
        if DETECTION in found.kinds and found.claims(source):
            raise DataError(
                f"{source}: {found.summary} is for {listing(found.kinds)}, not for classification;"
                " --task says so"
            )


@TRAINING_TASKS.register("classification")
class ClassificationTask(TrainingTask):
    """Pictures with one class each."""

    kind: ClassVar[str] = "classification"

    def __init__(self, job: TrainingJob) -> None:
        _refuse_annotated(job.data)
        catalogue, recipe = find_source(job.data).catalogue(job.data), job.recipe
        self.job, self.class_names, self.where = job, catalogue.class_names, catalogue.where
        self.parts = split_dataset(catalogue, job.validation_share, job.seed)
        self.at_hand = not catalogue.cached
        self.learnt = TrainDataset(
            job.data, catalogue, self.parts.learnt, recipe.images, recipe.augmentation, job.seed
        )
        self.judged = ValidationDataset(job.data, catalogue, recipe.images)
        self.collate = collate

    def lesson(
        self, batch: ImageBatch, device: torch.device, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return images and labels (B,), or shares (B, classes) where they are mixed."""
        images, labels = on_device(batch.images, device), batch.labels.to(device, non_blocking=True)
        augmentation = self.job.recipe.augmentation
        return mix_batch(
            images,
            labels,
            len(self.class_names),
            random,
            mixup_alpha=augmentation.mixup_alpha,
            cutmix_alpha=augmentation.cutmix_alpha,
        )

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy of logits (B, classes)."""
        return functional.cross_entropy(
            outputs.float(), targets, label_smoothing=self.job.recipe.regularisation.label_smoothing
        )

    def tally(self, device: torch.device) -> ClassificationMetrics:
        """Return a new one."""
        return ClassificationMetrics(len(self.class_names), device)

    def draw(self, judged: ClassificationDataset, folder: TrainingFolder) -> tuple[Path, ...]:
        """Draw which classes are taken for which."""
        plot_confusion_matrix(judged.confusion.numpy(), self.class_names, folder.confusion)
        return (folder.confusion,)
