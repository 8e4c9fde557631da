"""Semantic segmentation: mIoU, the share of pixels that are right, and which classes pixels are taken for.

Source: mIoU as in Everingham et al., "The PASCAL visual object classes challenge" (2010): of every
class, pixels that are right by pixels that are of the class or taken for it; the mean over the
classes that occur.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mvt_nas.data.annotated_source import IGNORED
from mvt_nas.errors import DataError
from mvt_nas.training.annotated_dataset import open_annotated
from mvt_nas.training.confusion_matrix import plot_confusion_matrix
from mvt_nas.training.dataset import ImageBatch
from mvt_nas.training.evaluation import MetricAccumulator, on_device, summed
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

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True, slots=True, eq=False)
class SegmentationDataset:
    """What a network made of the validation pictures.

    Attributes:
        loss: mean cross-entropy over pixels, nats.
        miou: mean over classes of intersection by union, 0 to 1.
        pixel_accuracy: share of pixels whose likeliest class is right, 0 to 1.
        confusion: (classes, classes), int64, pixels by true class and by that which they were taken
            for.
    """

    loss: float
    miou: float
    pixel_accuracy: float
    confusion: Tensor

    @property
    def scores(self) -> ValidationMetrics:
        """Loss and shares."""
        return ValidationMetrics(
            self.loss, {"miou": self.miou, "pixel_accuracy": self.pixel_accuracy}
        )


class SegmentationMetrics(MetricAccumulator[SegmentationDataset]):
    """Counts pixels by their classes and those that a network gives them."""

    def __init__(self, num_classes: int, device: torch.device) -> None:
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64, device=device)

    def add(self, outputs: Tensor, batch: ImageBatch) -> None:
        """Count logits, (B, classes, H, W)."""
        masks = batch.labels.to(outputs.device, non_blocking=True).long()
        self._loss += functional.cross_entropy(
            outputs.float(), masks, ignore_index=IGNORED, reduction="sum"
        ).double()
        known, classes = masks != IGNORED, outputs.shape[1]
        pairs = masks[known] * classes + outputs.argmax(1)[known]
        self._confusion += torch.bincount(pairs, minlength=classes * classes).view(classes, classes)

    def result(self, fabric: Fabric) -> SegmentationDataset:
        """Return what all devices counted."""
        loss, confusion = summed(self._loss, fabric), summed(self._confusion, fabric)
        count = int(confusion.sum())
        if not count:
            raise DataError(
                "none of the validation pictures can be read, or all of their pixels are to be"
                " ignored"
            )
        return SegmentationDataset(
            float(loss) / count, mean_iou(confusion), float(confusion.trace()) / count, confusion
        )


def mean_iou(confusion: Tensor) -> float:
    """Return the mean over classes of intersection by union, 0 to 1; classes that neither occur nor are found are left out."""
    right = confusion.diagonal().double()
    union = confusion.sum(0) + confusion.sum(1) - right
    return float((right[union > 0] / union[union > 0]).mean())


@TRAINING_TASKS.register("segmentation")
class SegmentationTask(TrainingTask):
    """Pictures with the class of every pixel."""

    kind: ClassVar[str] = "segmentation"

    def __init__(self, job: TrainingJob) -> None:
        annotated = open_annotated(job.data, self.kind)
        self.class_names, self.where = (
            _names(annotated.class_names, job, annotated.where),
            annotated.where,
        )
        self.job, self.at_hand = (
            job.for_classes(self.class_names, annotated.where),
            annotated.at_hand,
        )
        self.parts = split_annotated(annotated, self.class_names, job.validation_share, job.seed)
        self.learnt = SegmentationTrainDataset(
            job.data, annotated, self.parts.learnt, job.recipe, len(self.class_names), job.seed
        )
        self.judged = SegmentationValidationDataset(
            job.data, annotated, job.recipe, len(self.class_names)
        )
        self.collate = collate

    def lesson(
        self, batch: ImageBatch, device: torch.device, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return images and masks (B, H, W), int64."""
        return on_device(batch.images, device), batch.labels.to(device, non_blocking=True).long()

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy over the pixels that count, of logits (B, classes, H, W); 0 where none does."""
        smoothing = self.job.recipe.regularisation.label_smoothing
        total = functional.cross_entropy(
            outputs.float(),
            targets,
            ignore_index=IGNORED,
            label_smoothing=smoothing,
            reduction="sum",
        )
        return total / (targets != IGNORED).sum().clamp(min=1)

    def tally(self, device: torch.device) -> SegmentationMetrics:
        """Return a new one."""
        return SegmentationMetrics(len(self.class_names), device)

    def draw(self, judged: SegmentationDataset, folder: TrainingFolder) -> tuple[Path, ...]:
        """Draw which classes pixels are taken for."""
        plot_confusion_matrix(
            judged.confusion.numpy(), self.class_names, folder.confusion, "pixels"
        )
        return (folder.confusion,)


def _names(found: tuple[str, ...], job: TrainingJob, where: str) -> tuple[str, ...]:
    """Return the names of the classes: those of the source, or numbers where it has none and the job says how many there are."""
    if found or job.num_classes is not None:
        return found or tuple(str(number) for number in range(job.num_classes or 0))
    advice = "classes.txt is missing, which names the classes, the background first"
    raise DataError(
        f"{where}: {advice}; or say how many there are: --task segmentation,num_classes=N"
    )
