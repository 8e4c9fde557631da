"""What is left when a training has ended: the best weights, what they make of the validation pictures, and a picture of that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvt_nas.errors import TrainingError
from mvt_nas.training.folder import TrainingFolder
from mvt_nas.training.history import EpochRecord, write_history
from mvt_nas.training.job import TrainingJob
from mvt_nas.training.state import TrainingState
from mvt_nas.training.trainer import Trainer


@dataclass(frozen=True, slots=True, eq=False)
class TrainingResult:
    """A training that has ended.

    Attributes:
        folder: its files.
        job: what was asked for.
        rows: its epochs.
        best: the best epoch, whose weights were kept.
        averaged: whether those are averaged weights.
        judged: what the weights that were kept make of the validation pictures; loss and shares as
            attributes, and what the task counts.
        last: what the averaged weights of the last epoch make of them.
        class_names: by label.
        pictures: that were drawn of what the weights make of the validation pictures.
        unreadable: pictures that could not be read, each with the reason.
        first: whether this process is the one that tells and writes.
    """

    folder: TrainingFolder
    job: TrainingJob
    rows: tuple[EpochRecord, ...]
    best: EpochRecord
    averaged: bool
    judged: Any
    last: Any
    class_names: tuple[str, ...]
    pictures: tuple[Path, ...]
    unreadable: tuple[str, ...]
    first: bool


def finalize(sitting: Trainer, now: TrainingState) -> TrainingResult:
    """Judge the best weights and the averaged ones of the last epoch once more, keep the best; return what came of the training.

    Raises:
        TrainingError: the best checkpoint cannot be read any more, or nothing can be written.
    """
    rows, best, folder = tuple(now.rows), now.best, sitting.folder
    assert best is not None  # there is one epoch at least
    (last,), _ = sitting.judged(now.average)
    if not sitting.restore(now, folder.best):
        raise TrainingError(
            f"{folder.best}: is missing; restore it, or delete {folder.last} to begin anew"
        )
    averaged = best.average.main > best.plain.main
    network = now.average if averaged else now.network
    (judged,), unreadable = sitting.judged(network)
    if sitting.fabric.is_global_zero:
        folder.write_weights(network.state_dict())
        write_history(folder.metrics, rows)
    return TrainingResult(
        folder=folder,
        job=sitting.job,
        rows=rows,
        best=best,
        averaged=averaged,
        judged=judged,
        last=last,
        class_names=sitting.task.class_names,
        pictures=sitting.task.draw(judged, folder) if sitting.fabric.is_global_zero else (),
        unreadable=tuple(dict.fromkeys([*now.unreadable, *unreadable])),
        first=sitting.fabric.is_global_zero,
    )
