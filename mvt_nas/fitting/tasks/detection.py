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
from mvt_nas.fitting.annotated import open_annotated
from mvt_nas.fitting.boxes.average_precision import AveragePrecision, Picture, average_precision, check_installed
from mvt_nas.fitting.boxes.drawn import draw_curves, draw_found
from mvt_nas.fitting.boxes.found import Found, found_in
from mvt_nas.fitting.boxes.loss import detection_loss
from mvt_nas.fitting.boxes.pictures import BoxBatch, JudgedBoxes, LearntBoxes, collate
from mvt_nas.fitting.folder import Folder
from mvt_nas.fitting.job import Job
from mvt_nas.fitting.judging import Tally, on_device
from mvt_nas.fitting.pictures import ordered
from mvt_nas.fitting.rows import Scores
from mvt_nas.fitting.sampler import sides
from mvt_nas.fitting.split import annotated_parts
from mvt_nas.fitting.task_values import DetectionValues
from mvt_nas.fitting.tasks.contract import TASK_FITS, TaskFit
from mvt_nas.network import build_model

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_SHOWN = 12  # pictures that are drawn


@dataclass(frozen=True, slots=True, eq=False)
class Detected:
    """What a network made of the validation pictures.

    Attributes:
        loss: mean loss over pictures.
        precision: how well objects were found.
        pictures: by row in the source, what was there and what was found.
    """

    loss: float
    precision: AveragePrecision
    pictures: Mapping[int, Picture]

    @property
    def ap(self) -> float:
        """Mean over overlaps of 0.5 to 0.95 and classes, 0 to 1."""
        return self.precision.ap

    @property
    def ap50(self) -> float:
        """Mean over classes at an overlap of 0.5, 0 to 1."""
        return self.precision.ap50

    @property
    def scores(self) -> Scores:
        """Loss and shares."""
        return Scores(self.loss, {"ap": self.ap, "ap50": self.ap50})


class BoxTally(Tally[Detected]):
    """Keeps what a network finds in every picture.

    Args:
        num_classes: kinds of objects.
        anchors: (A, 4), centre form.
        how: thresholds and counts.
        device: that the network is on.
    """

    def __init__(self, num_classes: int, anchors: Tensor, how: DetectionValues, device: torch.device) -> None:
        self._num_classes, self._anchors, self._how = num_classes, anchors.to(device), how
        self._loss, self._pictures = 0.0, dict[int, Picture]()

    def add(self, outputs: tuple[Tensor, Tensor], batch: BoxBatch) -> None:
        """Keep what logits, (B, A, classes + 1), and offsets, (B, A, 4), say."""
        logits, offsets = (found.float() for found in outputs)
        classes, wanted = (given.to(logits.device) for given in (batch.classes, batch.offsets))
        for place, (row, boxes) in enumerate(zip(batch.rows, batch.boxes, strict=True)):
            if row < 0:
                continue
            own = slice(place, place + 1)
            loss = detection_loss(logits[own], offsets[own], classes[own], wanted[own], self._how.negatives_per_positive)
            self._loss += float(loss)
            found = _table(found_in(logits[place], offsets[place], self._anchors, self._how))
            self._pictures[row] = Picture(boxes.corners, boxes.labels, boxes.ignored, found)

    def result(self, fabric: Fabric) -> Detected:
        """Return how good all is that was found on all devices."""
        parts = _gathered((self._loss, self._pictures), fabric)
        pictures = {row: picture for _, own in parts for row, picture in own.items()}
        if not pictures:
            raise DataError("none of the validation pictures can be read")
        ordered = {row: pictures[row] for row in sorted(pictures)}
        precision = average_precision(list(ordered.values()), self._num_classes)
        return Detected(sum(loss for loss, _ in parts) / len(pictures), precision, ordered)


def _table(found: Found) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return torch.cat([found.corners, found.labels[:, None], found.scores[:, None]], dim=1).double().cpu().numpy()


def _gathered(own: Any, fabric: Fabric) -> Sequence[Any]:
    """Return what every device has, in their order."""
    if fabric.world_size == 1:
        return [own]
    everyone: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(everyone, own)
    return everyone


@TASK_FITS.register("detection")
class DetectionFit(TaskFit):
    """Pictures with boxes around objects."""

    kind: ClassVar[str] = "detection"

    def __init__(self, job: Job) -> None:
        check_installed()
        annotated, recipe = open_annotated(job.data, self.kind), job.recipe
        if not annotated.class_names:
            raise DataError(f"{annotated.where}: no objects to learn from")
        self.class_names, self.where = annotated.class_names, annotated.where
        self.job, self.at_hand = job.for_classes(self.class_names, annotated.where), annotated.at_hand
        self.parts = annotated_parts(annotated, self.class_names, job.validation_share, job.seed)
        self._anchors = _anchors(self.job)
        self.learnt = LearntBoxes(job.data, annotated, self.parts.learnt, recipe, self._anchors, job.seed)
        self.judged = JudgedBoxes(job.data, annotated, recipe, self._anchors)
        self.collate = collate

    @property
    def _how(self) -> DetectionValues:
        how = self.job.recipe.detection
        assert how is not None  # a job's recipe is for its task
        return how

    def lesson(self, batch: BoxBatch, device: torch.device, random: np.random.Generator) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return images, and classes (B, A) and offsets (B, A, 4) of all anchors."""
        classes, offsets = (given.to(device, non_blocking=True) for given in (batch.classes, batch.offsets))
        return on_device(batch.images, device), (classes, offsets)

    def loss(self, outputs: tuple[Tensor, Tensor], targets: tuple[Tensor, Tensor]) -> Tensor:
        """Return the loss of logits (B, A, classes + 1) and offsets (B, A, 4)."""
        logits, offsets = (found.float() for found in outputs)
        return detection_loss(logits, offsets, *targets, self._how.negatives_per_positive)

    def tally(self, device: torch.device) -> BoxTally:
        """Return a new one."""
        return BoxTally(len(self.class_names), self._anchors[self.job.recipe.images.px], self._how, device)

    def draw(self, judged: Detected, folder: Folder) -> tuple[Path, ...]:
        """Draw what was found in some pictures, and how precision falls as more is found."""
        rows = list(judged.pictures)[:_SHOWN]
        pixels = [ordered(self.judged[row].pixels, self.job.recipe.images) for row in rows]  # in RGB again
        draw_found([(one, judged.pictures[row]) for one, row in zip(pixels, rows, strict=True)], self.class_names, folder.detections)
        draw_curves(judged.precision, self.class_names, folder.curves)
        return folder.detections, folder.curves


def _anchors(job: Job) -> dict[int, Tensor]:
    """Return the anchors of the network by the side of pictures."""
    assert job.task is not None  # a job of this task has one
    network, px = build_model(job.architecture, task=job.task, device="meta"), job.recipe.images.px
    return {side: network.anchors(side) for side in sides(job.recipe.batches, px)}
