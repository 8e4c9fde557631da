"""Classification: top-1 and top-5 accuracy, and the confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mvt_nas.data.annotated_source import ANNOTATIONS, DETECTION
from mvt_nas.data.source import find_source
from mvt_nas.errors import DataError, listing
from mvt_nas.training.accelerator import Accelerator
from mvt_nas.training.confusion_matrix import plot_confusion_matrix
from mvt_nas.training.dataset import (
    UNREADABLE,
    ImageBatch,
    TrainDataset,
    ValidationDataset,
    collate,
)
from mvt_nas.training.evaluation import MetricAccumulator, sum_over_devices
from mvt_nas.training.folder import TrainingFolder
from mvt_nas.training.history import ValidationMetrics
from mvt_nas.training.job import TrainingJob
from mvt_nas.training.split import split_dataset
from mvt_nas.training.task import TRAINING_TASKS, TrainingTask
from mvt_nas.training.transforms.mixup import mix_batch


@dataclass(frozen=True, slots=True, eq=False)
class ClassificationEvaluation:
    """A classifier's evaluation on the validation images.

    Attributes:
        loss: Mean cross-entropy, in nats.
        top1: Top-1 accuracy, 0 to 1.
        top5: Top-5 accuracy, 0 to 1.
        confusion: (classes, classes), int64, number of images by true class (rows) and predicted
            class.
    """

    loss: float
    top1: float
    top5: float
    confusion: Tensor

    @property
    def metrics(self) -> ValidationMetrics:
        """Loss and accuracies."""
        shares = {"top1": self.top1, "top5": self.top5}
        return ValidationMetrics(self.loss, shares, int(self.confusion.sum()))


class ClassificationAccumulator(MetricAccumulator[ClassificationEvaluation]):
    """Accumulates loss, accuracies and confusion matrix."""

    def __init__(self, num_classes: int, device: torch.device) -> None:
        # Loss, hits of the first class, hits of the first five.
        self._sums = torch.zeros(3, dtype=torch.float64, device=device)
        self._confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64, device=device)

    def add(self, outputs: Tensor, batch: ImageBatch) -> None:
        """Add logits, (B, classes)."""
        labels = batch.labels.to(outputs.device, non_blocking=True)
        readable = labels != UNREADABLE
        logits, labels = outputs.float()[readable], labels[readable]
        classes = logits.shape[1]
        self._sums[0] += functional.cross_entropy(logits, labels, reduction="sum").double()
        likeliest = logits.topk(min(5, classes), dim=1).indices
        hits = likeliest == labels[:, None]
        self._sums[1] += hits[:, 0].sum()
        self._sums[2] += hits.any(1).sum()
        # Each pair of true and predicted class has a number of its own.
        pairs = labels * classes + likeliest[:, 0]
        self._confusion += torch.bincount(pairs, minlength=classes * classes).view(classes, classes)

    def result(self, accelerator: Accelerator) -> ClassificationEvaluation:
        """Return the evaluation over all devices."""
        sums = sum_over_devices(self._sums, accelerator)
        confusion = sum_over_devices(self._confusion, accelerator)
        count = int(confusion.sum())
        if not count:
            raise DataError("none of the validation images can be read")
        loss, top1, top5 = (float(value) / count for value in sums)
        return ClassificationEvaluation(loss, top1, top5, confusion)


def _refuse_boxes(source: str) -> None:
    """Refuse a source of boxes, whose folders would be taken for classes."""
    for kind in (ANNOTATIONS.get(name) for name in ANNOTATIONS):
        if DETECTION in kind.kinds and kind.claims(source):
            raise DataError(
                f"{source}: {kind.summary} is for {listing(kind.kinds)}, not for classification;"
                " --task says so"
            )


@TRAINING_TASKS.register("classification")
class ClassificationTask(TrainingTask):
    """Training on images with one class each."""

    kind: ClassVar[str] = "classification"

    def __init__(self, job: TrainingJob) -> None:
        _refuse_boxes(job.data)
        catalogue = find_source(job.data).catalogue(job.data)
        recipe = job.recipe
        self.job = job
        self.class_names = catalogue.class_names
        self.where = catalogue.where
        self.split = split_dataset(catalogue, job.validation_share, job.seed)
        self.in_memory = not catalogue.cached
        self.train_dataset = TrainDataset(
            job.data, catalogue, self.split.train, recipe.images, recipe.augmentation, job.seed
        )
        self.validation_dataset = ValidationDataset(job.data, catalogue, recipe.images)
        self.collate = collate

    def training_batch(
        self, batch: ImageBatch, device: torch.device, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return images and labels (B,), or class shares (B, classes) if images are mixed."""
        augmentation = self.job.recipe.augmentation
        return mix_batch(
            batch.inputs(device),
            batch.labels.to(device, non_blocking=True),
            len(self.class_names),
            random,
            mixup_alpha=augmentation.mixup_alpha,
            cutmix_alpha=augmentation.cutmix_alpha,
        )

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy of logits (B, classes)."""
        smoothing = self.job.recipe.regularisation.label_smoothing
        return functional.cross_entropy(outputs.float(), targets, label_smoothing=smoothing)

    def new_accumulator(self, device: torch.device) -> ClassificationAccumulator:
        """Return an empty accumulator."""
        return ClassificationAccumulator(len(self.class_names), device)

    def plot(
        self, evaluation: ClassificationEvaluation, folder: TrainingFolder
    ) -> tuple[Path, ...]:
        """Plot the confusion matrix."""
        plot_confusion_matrix(evaluation.confusion.numpy(), self.class_names, folder.confusion)
        return (folder.confusion,)
