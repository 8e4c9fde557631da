"""One training from beginning to end: ``train(job, folder)`` begins it, or goes on with it where it was broken off."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import torch

from mvt_nas._threads_and_malloc import torch_threads
from mvt_nas.errors import TrainingError
from mvt_nas.training.accelerator import AcceleratorConfig, fabric_for
from mvt_nas.training.callbacks import Callbacks
from mvt_nas.training.folder import TrainingFolder
from mvt_nas.training.job import TrainingJob
from mvt_nas.training.loaders import build_loaders
from mvt_nas.training.result import TrainingResult, finalize
from mvt_nas.training.task import TRAINING_TASKS, TrainingTask
from mvt_nas.training.trainer import Trainer


def train(
    job: TrainingJob,
    folder: Path,
    machine: AcceleratorConfig | None = None,
    heard: Callbacks | None = None,
) -> TrainingResult:
    """Train a network, or go on with its training in a folder; return what came of it.

    On a processor, equal jobs on equal hardware, versions and threads leave equal weights to the
    last bit, also when they were broken off between; torch's global random state is neither used
    nor changed.

    Args:
        job: what is to be trained.
        folder: where its files go.
        machine: what it runs on; by default all GPUs, or a processor.
        heard: who is told; by default nobody.

    Raises:
        TrainingError: pictures, machine or folder do not suit, or the loss leaves the range of
            numbers.
        CheckpointError: the weights to begin with do not fit.
        DataError: the pictures cannot be used.
    """
    machine, place = machine or AcceleratorConfig(), TrainingFolder(folder)
    task = TRAINING_TASKS.get(job.kind)(job)
    _check(task)
    fabric = fabric_for(machine)
    fabric.launch()
    threads = torch_threads(machine.threads or torch.get_num_threads())
    with threads, place.held() if fabric.is_global_zero else nullcontext():
        sitting = Trainer(
            task, place, machine, heard or Callbacks(), fabric, build_loaders(task, machine, fabric)
        )
        return finalize(sitting, sitting.run())


def _check(task: TrainingTask) -> None:
    images, most = task.job.recipe.batches.images, len(task.parts.learnt)
    if images > most:
        raise TrainingError(
            f"recipe.batches.images = {images} is not allowed; at most {most}, the pictures to"
            f" learn from in {task.where} (--batch N takes fewer per step)"
        )
