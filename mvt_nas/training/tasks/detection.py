"""Object detection: COCO's average precision, and pictures with what was found in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mvt_nas.errors import DataError
from mvt_nas.models.network import build_model
from mvt_nas.training.annotated_dataset import open_annotated
from mvt_nas.training.batch_sampler import sides
from mvt_nas.training.dataset import ordered
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
from mvt_nas.training.evaluation import MetricAccumulator, on_device
from mvt_nas.training.folder import TrainingFolder
from mvt_nas.training.history import ValidationMetrics
from mvt_nas.training.job import TrainingJob
from mvt_nas.training.recipe import DetectionOptions
from mvt_nas.training.split import split_annotated
from mvt_nas.training.task import TRAINING_TASKS, TrainingTask

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_SHOWN = 12  # pictures that are drawn


@dataclass(frozen=True, slots=True, eq=False)
class DetectionDataset:
    """What a network made of the validation pictures.

    Attributes:
        loss: mean loss over pictures.
        precision: how well objects were found.
        pictures: by row in the source, what was there and what was found.
    """

    loss: float
    precision: AveragePrecision
    pictures: Mapping[int, ImageDetections]

    @property
    def ap(self) -> float:
        """Mean over overlaps of 0.5 to 0.95 and classes, 0 to 1."""
        return self.precision.ap

    @property
    def ap50(self) -> float:
        """Mean over classes at an overlap of 0.5, 0 to 1."""
        return self.precision.ap50

    @property
    def scores(self) -> ValidationMetrics:
        """Loss and shares."""
        return ValidationMetrics(self.loss, {"ap": self.ap, "ap50": self.ap50})


class DetectionMetrics(MetricAccumulator[DetectionDataset]):
    """Keeps what a network finds in every picture.

    Args:
        num_classes: kinds of objects.
        anchors: (A, 4), centre form.
        how: thresholds and counts.
        device: that the network is on.
    """

    def __init__(
        self, num_classes: int, anchors: Tensor, how: DetectionOptions, device: torch.device
    ) -> None:
        self._num_classes, self._anchors, self._how = num_classes, anchors.to(device), how
        self._loss, self._pictures = 0.0, dict[int, ImageDetections]()

    def add(self, outputs: tuple[Tensor, Tensor], batch: BoxBatch) -> None:
        """Keep what logits, (B, A, classes + 1), and offsets, (B, A, 4), say."""
        logits, offsets = (found.float() for found in outputs)
        classes, wanted = (given.to(logits.device) for given in (batch.classes, batch.offsets))
        for place, (row, boxes) in enumerate(zip(batch.rows, batch.boxes, strict=True)):
            if row < 0:
                continue
            own = slice(place, place + 1)
            loss = detection_loss(
                logits[own],
                offsets[own],
                classes[own],
                wanted[own],
                self._how.negatives_per_positive,
            )
            self._loss += float(loss)
            found = _table(postprocess(logits[place], offsets[place], self._anchors, self._how))
            self._pictures[row] = ImageDetections(boxes.corners, boxes.labels, boxes.ignored, found)

    def result(self, fabric: Fabric) -> DetectionDataset:
        """Return how good all is that was found on all devices."""
        parts = _gathered((self._loss, self._pictures), fabric)
        pictures = {row: picture for _, own in parts for row, picture in own.items()}
        if not pictures:
            raise DataError("none of the validation pictures can be read")
        ordered = {row: pictures[row] for row in sorted(pictures)}
        precision = average_precision(list(ordered.values()), self._num_classes)
        return DetectionDataset(sum(loss for loss, _ in parts) / len(pictures), precision, ordered)


def _table(found: Detections) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return (
        torch.cat([found.corners, found.labels[:, None], found.scores[:, None]], dim=1)
        .double()
        .cpu()
        .numpy()
    )


def _gathered(own: Any, fabric: Fabric) -> Sequence[Any]:
    """Return what every device has, in their order."""
    if fabric.world_size == 1:
        return [own]
    everyone: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(everyone, own)
    return everyone


@TRAINING_TASKS.register("detection")
class DetectionTask(TrainingTask):
    """Pictures with boxes around objects."""

    kind: ClassVar[str] = "detection"

    def __init__(self, job: TrainingJob) -> None:
        check_installed()
        annotated, recipe = open_annotated(job.data, self.kind), job.recipe
        if not annotated.class_names:
            raise DataError(f"{annotated.where}: no objects to learn from")
        self.class_names, self.where = annotated.class_names, annotated.where
        self.job, self.at_hand = (
            job.for_classes(self.class_names, annotated.where),
            annotated.at_hand,
        )
        self.parts = split_annotated(annotated, self.class_names, job.validation_share, job.seed)
        self._anchors = _anchors(self.job)
        self.learnt = DetectionTrainDataset(
            job.data, annotated, self.parts.learnt, recipe, self._anchors, job.seed
        )
        self.judged = DetectionValidationDataset(job.data, annotated, recipe, self._anchors)
        self.collate = collate

    @property
    def _how(self) -> DetectionOptions:
        how = self.job.recipe.detection
        assert how is not None  # a job's recipe is for its task
        return how

    def lesson(
        self, batch: BoxBatch, device: torch.device, random: np.random.Generator
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return images, and classes (B, A) and offsets (B, A, 4) of all anchors."""
        classes, offsets = (
            given.to(device, non_blocking=True) for given in (batch.classes, batch.offsets)
        )
        return on_device(batch.images, device), (classes, offsets)

    def loss(self, outputs: tuple[Tensor, Tensor], targets: tuple[Tensor, Tensor]) -> Tensor:
        """Return the loss of logits (B, A, classes + 1) and offsets (B, A, 4)."""
        logits, offsets = (found.float() for found in outputs)
        return detection_loss(logits, offsets, *targets, self._how.negatives_per_positive)

    def tally(self, device: torch.device) -> DetectionMetrics:
        """Return a new one."""
        return DetectionMetrics(
            len(self.class_names), self._anchors[self.job.recipe.images.px], self._how, device
        )

    def draw(self, judged: DetectionDataset, folder: TrainingFolder) -> tuple[Path, ...]:
        """Draw what was found in some pictures, and how precision falls as more is found."""
        rows = list(judged.pictures)[:_SHOWN]
        pixels = [
            ordered(self.judged[row].pixels, self.job.recipe.images) for row in rows
        ]  # in RGB again
        plot_detections(
            [(one, judged.pictures[row]) for one, row in zip(pixels, rows, strict=True)],
            self.class_names,
            folder.detections,
        )
        plot_precision_recall(judged.precision, self.class_names, folder.curves)
        return folder.detections, folder.curves


def _anchors(job: TrainingJob) -> dict[int, Tensor]:
    """Return the anchors of the network by the side of pictures."""
    assert job.task is not None  # a job of this task has one
    network, px = build_model(job.architecture, task=job.task, device="meta"), job.recipe.images.px
    return {side: network.anchors(side) for side in sides(job.recipe.batches, px)}
