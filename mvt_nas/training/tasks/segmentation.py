"""Semantic segmentation: mIoU, pixel accuracy, and the confusion matrix of pixels.

Source: mIoU as in Everingham et al., "The PASCAL visual object classes challenge" (2010): for every
class, its correct pixels divided by the pixels that are of the class or predicted as it; the mean
over the classes that occur.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mvt_nas.data.annotated_source import IGNORED
from mvt_nas.errors import DataError
from mvt_nas.training.accelerator import Accelerator
from mvt_nas.training.annotated_dataset import open_annotated
from mvt_nas.training.confusion_matrix import plot_confusion_matrix
from mvt_nas.training.dataset import ImageBatch
from mvt_nas.training.evaluation import MetricAccumulator, sum_over_devices
from mvt_nas.training.folder import TrainingFolder
from mvt_nas.training.history import ValidationMetrics
from mvt_nas.training.job import TrainingJob
from mvt_nas.training.segmentation.dataset import (
    SegmentationTrainDataset,
    SegmentationValidationDataset,
    collate,
)
from mvt_nas.training.split import split_annotated
from mvt_nas.training.task import TRAINING_TASKS, TrainingTask


@dataclass(frozen=True, slots=True, eq=False)
class SegmentationEvaluation:
    """A segmentation network's evaluation on the validation images.

    Attributes:
        loss: Mean cross-entropy over pixels, in nats.
        miou: Mean over classes of intersection over union, 0 to 1.
        pixel_accuracy: Share of correct pixels, 0 to 1.
        confusion: (classes, classes), int64, number of pixels by true class (rows) and predicted
            class.
    """

    loss: float
    miou: float
    pixel_accuracy: float
    confusion: Tensor

    @property
    def metrics(self) -> ValidationMetrics:
        """Loss, mIoU and pixel accuracy."""
        shares = {"miou": self.miou, "pixel_accuracy": self.pixel_accuracy}
        return ValidationMetrics(self.loss, shares)


class SegmentationAccumulator(MetricAccumulator[SegmentationEvaluation]):
    """Accumulates loss and confusion matrix of pixels."""

    def __init__(self, num_classes: int, device: torch.device) -> None:
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64, device=device)

    def add(self, outputs: Tensor, batch: ImageBatch) -> None:
        """Add logits, (B, classes, H, W)."""
        masks = batch.labels.to(outputs.device, non_blocking=True).long()
        self._loss += functional.cross_entropy(
            outputs.float(), masks, ignore_index=IGNORED, reduction="sum"
        ).double()
        counted = masks != IGNORED
        classes = outputs.shape[1]
        # Each pair of true and predicted class has a number of its own.
        pairs = masks[counted] * classes + outputs.argmax(1)[counted]
        self._confusion += torch.bincount(pairs, minlength=classes * classes).view(classes, classes)

    def result(self, accelerator: Accelerator) -> SegmentationEvaluation:
        """Return the evaluation over all devices."""
        loss = sum_over_devices(self._loss, accelerator)
        confusion = sum_over_devices(self._confusion, accelerator)
        count = int(confusion.sum())
        if not count:
            raise DataError(
                "none of the validation images can be read, or all of their pixels are to be"
                " ignored"
            )
        pixel_accuracy = float(confusion.trace()) / count
        return SegmentationEvaluation(
            float(loss) / count, mean_iou(confusion), pixel_accuracy, confusion
        )


def mean_iou(confusion: Tensor) -> float:
    """Return the mean over classes of intersection over union, 0 to 1.

    Classes that neither occur nor are predicted are left out.

    Args:
        confusion: (classes, classes), rows are true classes.
    """
    right = confusion.diagonal().double()
    union = confusion.sum(0) + confusion.sum(1) - right
    return float((right[union > 0] / union[union > 0]).mean())


@TRAINING_TASKS.register("segmentation")
class SegmentationTask(TrainingTask):
    """Training on images with the class of every pixel."""

    kind: ClassVar[str] = "segmentation"

    def __init__(self, job: TrainingJob) -> None:
        annotated = open_annotated(job.data, self.kind)
        self.class_names = _class_names(annotated.class_names, job, annotated.where)
        self.where = annotated.where
        self.job = job.for_classes(self.class_names, annotated.where)
        self.in_memory = annotated.at_hand
        self.split = split_annotated(annotated, self.class_names, job.validation_share, job.seed)
        num_classes = len(self.class_names)
        self.train_dataset = SegmentationTrainDataset(
            job.data, annotated, self.split.train, job.recipe, num_classes, job.seed
        )
        self.validation_dataset = SegmentationValidationDataset(
            job.data, annotated, job.recipe, num_classes
        )
        self.collate = collate

    def training_batch(
        self, batch: ImageBatch, device: torch.device, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return images and masks (B, H, W), int64."""
        return batch.inputs(device), batch.labels.to(device, non_blocking=True).long()

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy of logits (B, classes, H, W) over the counted pixels.

        It is 0 if no pixel counts.
        """
        total = functional.cross_entropy(
            outputs.float(),
            targets,
            ignore_index=IGNORED,
            label_smoothing=self.job.recipe.regularisation.label_smoothing,
            reduction="sum",
        )
        return total / (targets != IGNORED).sum().clamp(min=1)

    def new_accumulator(self, device: torch.device) -> SegmentationAccumulator:
        """Return an empty accumulator."""
        return SegmentationAccumulator(len(self.class_names), device)

    def plot(self, evaluation: SegmentationEvaluation, folder: TrainingFolder) -> tuple[Path, ...]:
        """Plot the confusion matrix of pixels."""
        confusion = evaluation.confusion.numpy()
        plot_confusion_matrix(confusion, self.class_names, folder.confusion, "pixels")
        return (folder.confusion,)


def _class_names(found: tuple[str, ...], job: TrainingJob, where: str) -> tuple[str, ...]:
    """Return the names of the classes: the source's, or numbers if only the job counts them."""
    if found:
        return found
    if job.num_classes is not None:
        return tuple(str(number) for number in range(job.num_classes))
    raise DataError(
        f"{where}: classes.txt is missing, which names the classes, the background first; or give"
        " their number: --task segmentation,num_classes=N"
    )
