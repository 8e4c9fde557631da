"""Object detection: COCO's average precision, and plots of images with their detections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mvt_nas._typing import FloatArray
from mvt_nas.errors import DataError
from mvt_nas.models.network import build_model
from mvt_nas.training.accelerator import Accelerator
from mvt_nas.training.annotated_dataset import open_annotated
from mvt_nas.training.batch_sampler import sides
from mvt_nas.training.dataset import reorder_channels
from mvt_nas.training.detection.average_precision import (
    AveragePrecision,
    ImageDetections,
    average_precision,
    check_installed,
)
from mvt_nas.training.detection.boxes import Detections, postprocess
from mvt_nas.training.detection.dataset import (
    BoxBatch,
    DetectionTrainDataset,
    DetectionValidationDataset,
    collate,
)
from mvt_nas.training.detection.plots import plot_detections, plot_precision_recall
from mvt_nas.training.detection.ssd import detection_loss
from mvt_nas.training.evaluation import MetricAccumulator
from mvt_nas.training.folder import TrainingFolder
from mvt_nas.training.history import ValidationMetrics
from mvt_nas.training.job import TrainingJob
from mvt_nas.training.recipe_groups import DetectionOptions
from mvt_nas.training.split import split_annotated
from mvt_nas.training.task import TRAINING_TASKS, TrainingTask

_PLOTTED_IMAGES = 12


@dataclass(frozen=True, slots=True, eq=False)
class DetectionEvaluation:
    """A detector's evaluation on the validation images.

    Attributes:
        loss: Mean loss over images.
        precision: Average precision.
        images: Objects and detections of each image, by its row in the source.
    """

    loss: float
    precision: AveragePrecision
    images: Mapping[int, ImageDetections]

    @property
    def ap(self) -> float:
        """Mean over IoU thresholds of 0.5 to 0.95 and classes, 0 to 1."""
        return self.precision.ap

    @property
    def ap50(self) -> float:
        """Mean over classes at an IoU threshold of 0.5, 0 to 1."""
        return self.precision.ap50

    @property
    def metrics(self) -> ValidationMetrics:
        """Loss and average precisions."""
        return ValidationMetrics(self.loss, {"ap": self.ap, "ap50": self.ap50})


class DetectionAccumulator(MetricAccumulator[DetectionEvaluation]):
    """Accumulates loss and detections.

    Args:
        num_classes: Number of classes, without the background.
        anchors: (A, 4), centre form.
        options: Thresholds and counts.
        device: Device of the network.
    """

    def __init__(
        self, num_classes: int, anchors: Tensor, options: DetectionOptions, device: torch.device
    ) -> None:
        self._num_classes = num_classes
        self._anchors = anchors.to(device)
        self._options = options
        self._loss = 0.0
        self._images: dict[int, ImageDetections] = {}

    def add(self, outputs: tuple[Tensor, Tensor], batch: BoxBatch) -> None:
        """Add logits, (B, A, classes + 1), and offsets, (B, A, 4)."""
        logits, offsets = (output.float() for output in outputs)
        classes = batch.classes.to(logits.device)
        target_offsets = batch.offsets.to(logits.device)
        for index, (row, boxes) in enumerate(zip(batch.rows, batch.boxes, strict=True)):
            if row < 0:
                continue
            # The loss of a batch is divided by its objects; here every image counts alike.
            own = slice(index, index + 1)
            loss = detection_loss(
                logits[own],
                offsets[own],
                classes[own],
                target_offsets[own],
                self._options.negatives_per_positive,
            )
            self._loss += float(loss)
            detections = postprocess(logits[index], offsets[index], self._anchors, self._options)
            self._images[row] = ImageDetections(
                boxes.corners, boxes.labels, boxes.ignored, _to_array(detections)
            )

    def result(self, accelerator: Accelerator) -> DetectionEvaluation:
        """Return the evaluation over all devices."""
        parts = _gather((self._loss, self._images), accelerator)
        images: dict[int, ImageDetections] = {}
        for _, own in parts:
            images |= own
        if not images:
            raise DataError("none of the validation images can be read")
        by_row = {row: images[row] for row in sorted(images)}
        precision = average_precision(list(by_row.values()), self._num_classes)
        loss = sum(loss for loss, _ in parts) / len(images)
        return DetectionEvaluation(loss, precision, by_row)


def _to_array(detections: Detections) -> FloatArray:
    """Return detections as corners, label and score, (n, 6)."""
    columns = [detections.corners, detections.labels[:, None], detections.scores[:, None]]
    return torch.cat(columns, dim=1).double().cpu().numpy()


def _gather(own: Any, accelerator: Accelerator) -> Sequence[Any]:
    """Return the objects of all devices, in their order."""
    if accelerator.world_size == 1:
        return [own]
    gathered: list[Any] = [None] * accelerator.world_size
    torch.distributed.all_gather_object(gathered, own)
    return gathered


@TRAINING_TASKS.register("detection")
class DetectionTask(TrainingTask):
    """Training on images with boxes around objects."""

    kind: ClassVar[str] = "detection"

    def __init__(self, job: TrainingJob) -> None:
        check_installed()
        annotated = open_annotated(job.data, self.kind)
        recipe = job.recipe
        if not annotated.class_names:
            raise DataError(f"{annotated.where}: no objects to train on")
        self.class_names = annotated.class_names
        self.where = annotated.where
        self.job = job.for_classes(self.class_names, annotated.where)
        self.in_memory = annotated.at_hand
        self.split = split_annotated(annotated, self.class_names, job.validation_share, job.seed)
        self._anchors = _anchors(self.job)
        self.train_dataset = DetectionTrainDataset(
            job.data, annotated, self.split.train, recipe, self._anchors, job.seed
        )
        self.validation_dataset = DetectionValidationDataset(
            job.data, annotated, recipe, self._anchors
        )
        self.collate = collate

    @property
    def _options(self) -> DetectionOptions:
        options = self.job.recipe.detection
        assert options is not None, "a job's recipe is for its task"
        return options

    def training_batch(
        self, batch: BoxBatch, device: torch.device, random: np.random.Generator
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return images, and classes (B, A) and offsets (B, A, 4) of all anchors."""
        classes = batch.classes.to(device, non_blocking=True)
        offsets = batch.offsets.to(device, non_blocking=True)
        return batch.inputs(device), (classes, offsets)

    def loss(self, outputs: tuple[Tensor, Tensor], targets: tuple[Tensor, Tensor]) -> Tensor:
        """Return the loss of logits (B, A, classes + 1) and offsets (B, A, 4)."""
        logits, offsets = (output.float() for output in outputs)
        return detection_loss(logits, offsets, *targets, self._options.negatives_per_positive)

    def new_accumulator(self, device: torch.device) -> DetectionAccumulator:
        """Return an empty accumulator."""
        anchors = self._anchors[self.job.recipe.images.px]
        return DetectionAccumulator(len(self.class_names), anchors, self._options, device)

    def plot(self, evaluation: DetectionEvaluation, folder: TrainingFolder) -> tuple[Path, ...]:
        """Plot some images with their detections, and precision by recall."""
        examples = []
        for row, detections in list(evaluation.images.items())[:_PLOTTED_IMAGES]:
            pixels = self.validation_dataset[row].pixels
            # The same function brings the network's channel order back to RGB.
            examples.append((reorder_channels(pixels, self.job.recipe.images), detections))
        plot_detections(examples, self.class_names, folder.detections)
        plot_precision_recall(evaluation.precision, self.class_names, folder.curves)
        return folder.detections, folder.curves


def _anchors(job: TrainingJob) -> dict[int, Tensor]:
    """Return the anchors of the network, by the side of images."""
    assert job.task is not None, "a job of this task has one"
    network = build_model(job.architecture, task=job.task, device="meta")
    px = job.recipe.images.px
    return {side: network.anchors(side) for side in sides(job.recipe.batches, px)}
