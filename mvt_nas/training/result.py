"""The result of a full training, after a final evaluation of the best checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvt_nas.errors import TrainingError
from mvt_nas.training.folder import TrainingFolder
from mvt_nas.training.history import EpochRecord, best_epoch, write_history
from mvt_nas.training.job import TrainingJob
from mvt_nas.training.state import TrainingState
from mvt_nas.training.trainer import Trainer


@dataclass(frozen=True, slots=True, eq=False)
class TrainingResult:
    """The result of a full training.

    Attributes:
        folder: Files of the training.
        job: Training job.
        history: Records of its epochs.
        best: Record of the best epoch, whose weights were kept.
        averaged: Whether those are averaged weights.
        evaluation: Evaluation of the kept weights: loss and metrics as attributes, and whatever
            the task counts.
        last_evaluation: Evaluation of the averaged weights of the last epoch.
        class_names: Names of the classes, by label.
        plots: Files with plots of the evaluation.
        unreadable: Images that could not be read, each with the reason.
        is_global_zero: Whether this process has rank 0, which prints and writes.
    """

    folder: TrainingFolder
    job: TrainingJob
    history: tuple[EpochRecord, ...]
    best: EpochRecord
    averaged: bool
    evaluation: Any
    last_evaluation: Any
    class_names: tuple[str, ...]
    plots: tuple[Path, ...]
    unreadable: tuple[str, ...]
    is_global_zero: bool


def finalize(trainer: Trainer, state: TrainingState[EpochRecord]) -> TrainingResult:
    """Evaluate the best weights and the last averaged ones, keep the best; return the result.

    Raises:
        TrainingError: the best checkpoint cannot be read any more, or a file cannot be written.
    """
    history, folder = tuple(state.history), trainer.folder
    best = best_epoch(history)
    assert best is not None, "there is at least one epoch"
    (last_evaluation,), _ = trainer.evaluate(state.average)
    if not trainer.restore(state, folder.best):
        raise TrainingError(
            f"{folder.best}: is missing; restore it, or delete {folder.last} to start again"
        )
    averaged = best.average.main > best.plain.main
    network = state.average if averaged else state.network
    (evaluation,), unreadable = trainer.evaluate(network)
    plots: tuple[Path, ...] = ()
    if trainer.fabric.is_global_zero:
        folder.write_weights(network.state_dict())
        write_history(folder.metrics, history)
        plots = trainer.task.plot(evaluation, folder)
    return TrainingResult(
        folder=folder,
        job=trainer.job,
        history=history,
        best=best,
        averaged=averaged,
        evaluation=evaluation,
        last_evaluation=last_evaluation,
        class_names=trainer.task.class_names,
        plots=plots,
        unreadable=tuple(dict.fromkeys([*state.unreadable, *unreadable])),
        is_global_zero=trainer.fabric.is_global_zero,
    )
