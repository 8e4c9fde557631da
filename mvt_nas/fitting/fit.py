"""One training from beginning to end: ``fit(job, folder)`` begins it, or goes on with it where it was broken off."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import torch

from mvt_nas.errors import TrainingError
from mvt_nas.fitting.ending import Fitted, finished
from mvt_nas.fitting.folder import Folder
from mvt_nas.fitting.heard import Heard
from mvt_nas.fitting.job import Job
from mvt_nas.fitting.loaders import loaders
from mvt_nas.fitting.machine import Machine, fabric_for
from mvt_nas.fitting.sitting import Sitting
from mvt_nas.fitting.tasks.contract import TASK_FITS, TaskFit
from mvt_nas.threads import torch_threads


def fit(job: Job, folder: Path, machine: Machine | None = None, heard: Heard | None = None) -> Fitted:
    """Train a network, or go on with its training in a folder; return what came of it.

    On a processor, equal jobs on equal hardware, versions and threads leave equal weights to the last bit, also when they were broken off
    between; torch's global random state is neither used nor changed.

    Args:
        job: what is to be trained.
        folder: where its files go.
        machine: what it runs on; by default all GPUs, or a processor.
        heard: who is told; by default nobody.

    Raises:
        TrainingError: pictures, machine or folder do not suit, or the loss leaves the range of numbers.
        CheckpointError: the weights to begin with do not fit.
        DataError: the pictures cannot be used.
    """
    machine, place = machine or Machine(), Folder(folder)
    task = TASK_FITS.get(job.kind)(job)
    _check(task)
    fabric = fabric_for(machine)
    fabric.launch()
    threads = torch_threads(machine.threads or torch.get_num_threads())
    with threads, place.held() if fabric.is_global_zero else nullcontext():
        sitting = Sitting(task, place, machine, heard or Heard(), fabric, loaders(task, machine, fabric))
        return finished(sitting, sitting.run())


def _check(task: TaskFit) -> None:
    images, most = task.job.recipe.batches.images, len(task.parts.learnt)
    if images > most:
        raise TrainingError(
            f"recipe.batches.images = {images} is not allowed; at most {most}, the pictures to learn from in {task.where}"
            " (--batch N takes fewer per step)"
        )
