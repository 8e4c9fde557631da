"""Full trainings: ``train(job, folder)`` starts one, or resumes it if it was interrupted."""

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
    accelerator: AcceleratorConfig | None = None,
    callbacks: Callbacks | None = None,
) -> TrainingResult:
    """Train a network, or resume its training in a folder; return the result.

    On a CPU, equal jobs on equal hardware, versions and threads give equal weights to the last bit,
    also if they were interrupted. Torch's global random state is neither used nor changed.

    Args:
        job: Network, recipe and data.
        folder: Folder of the training.
        accelerator: Hardware of the training; by default all GPUs, or the CPU.
        callbacks: Functions to call during the training.

    Raises:
        TrainingError: images, hardware or folder do not fit, or the loss is not a finite number.
        CheckpointError: the initial weights do not fit.
        DataError: the images cannot be used.
    """
    config = accelerator or AcceleratorConfig()
    files = TrainingFolder(folder)
    task = TRAINING_TASKS.get(job.kind)(job)
    _check_batch(task)
    fabric = fabric_for(config)
    fabric.launch()
    threads = torch_threads(config.threads or torch.get_num_threads())
    with threads, files.held() if fabric.is_global_zero else nullcontext():
        loaders = build_loaders(task, config, fabric)
        trainer = Trainer(task, files, config, callbacks or Callbacks(), fabric, loaders)
        return finalize(trainer, trainer.run())


def _check_batch(task: TrainingTask) -> None:
    images, most = task.job.recipe.batches.images, len(task.split.train)
    if images > most:
        raise TrainingError(
            f"recipe.batches.images = {images} is not allowed; at most {most}, the training"
            f" images in {task.where} (--batch N takes fewer per step)"
        )
