"""Classification: top-1, top-5 and which classes a network takes for which."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mvt_nas.data.annotations.contract import ANNOTATIONS, DETECTION
from mvt_nas.data.load import find_source
from mvt_nas.errors import DataError, listing
from mvt_nas.fitting.augment.mixing import mixed
from mvt_nas.fitting.confusion import draw
from mvt_nas.fitting.folder import Folder
from mvt_nas.fitting.job import Job
from mvt_nas.fitting.judging import Tally, on_device, summed
from mvt_nas.fitting.pictures import UNREADABLE, Batch, JudgedPictures, LearntPictures, collate
from mvt_nas.fitting.rows import Scores
from mvt_nas.fitting.split import parts
from mvt_nas.fitting.tasks.contract import TASK_FITS, TaskFit

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True, slots=True, eq=False)
class Classified:
    """What a network made of the validation pictures.

    Attributes:
        loss: mean cross-entropy, nats.
        top1: share of pictures whose likeliest class is right, 0 to 1.
        top5: the same of the five likeliest.
        confusion: (classes, classes), int64, pictures by true class and by that which they were taken for.
    """

    loss: float
    top1: float
    top5: float
    confusion: Tensor

    @property
    def scores(self) -> Scores:
        """Loss and shares."""
        return Scores(self.loss, {"top1": self.top1, "top5": self.top5})


class ClassTally(Tally[Classified]):
    """Counts pictures by their classes and those that a network gives them."""

    def __init__(self, num_classes: int, device: torch.device) -> None:
        self._sums = torch.zeros(3, dtype=torch.float64, device=device)
        self._confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64, device=device)

    def add(self, outputs: Tensor, batch: Batch) -> None:
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
        self._confusion += torch.bincount(labels * classes + likeliest[:, 0], minlength=classes * classes).view(classes, classes)

    def result(self, fabric: Fabric) -> Classified:
        """Return what all devices counted."""
        sums, confusion = summed(self._sums, fabric), summed(self._confusion, fabric)
        count = int(confusion.sum())
        if not count:
            raise DataError("none of the validation pictures can be read")
        loss, first, five = (float(value) / count for value in sums)
        return Classified(loss, first, five, confusion)


def _refuse_annotated(source: str) -> None:
    """Refuse a source of boxes: its folders would be taken for classes."""
    for found in (ANNOTATIONS.get(name) for name in ANNOTATIONS):
        if DETECTION in found.kinds and found.claims(source):
            raise DataError(f"{source}: {found.summary} is for {listing(found.kinds)}, not for classification; --task says so")


@TASK_FITS.register("classification")
class ClassificationFit(TaskFit):
    """Pictures with one class each."""

    kind: ClassVar[str] = "classification"

    def __init__(self, job: Job) -> None:
        _refuse_annotated(job.data)
        catalogue, recipe = find_source(job.data).catalogue(job.data), job.recipe
        self.job, self.class_names, self.where = job, catalogue.class_names, catalogue.where
        self.parts = parts(catalogue, job.validation_share, job.seed)
        self.at_hand = not catalogue.cached
        self.learnt = LearntPictures(job.data, catalogue, self.parts.learnt, recipe.images, recipe.augmentation, job.seed)
        self.judged = JudgedPictures(job.data, catalogue, recipe.images)
        self.collate = collate

    def lesson(self, batch: Batch, device: torch.device, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return images and labels (B,), or shares (B, classes) where they are mixed."""
        images, labels = on_device(batch.images, device), batch.labels.to(device, non_blocking=True)
        return mixed(images, labels, len(self.class_names), self.job.recipe.augmentation, random)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy of logits (B, classes)."""
        return functional.cross_entropy(outputs.float(), targets, label_smoothing=self.job.recipe.regularisation.label_smoothing)

    def tally(self, device: torch.device) -> ClassTally:
        """Return a new one."""
        return ClassTally(len(self.class_names), device)

    def draw(self, judged: Classified, folder: Folder) -> tuple[Path, ...]:
        """Draw which classes are taken for which."""
        draw(judged.confusion.numpy(), self.class_names, folder.confusion)
        return (folder.confusion,)
