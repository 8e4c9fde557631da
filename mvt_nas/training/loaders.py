"""Data loaders of full trainings: worker processes that decode and augment ahead of the network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader

from mvt_nas.training.accelerator import AcceleratorConfig, workers_for
from mvt_nas.training.batch_sampler import MultiScaleBatchSampler, StepPlan
from mvt_nas.training.task import TrainingTask

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True, slots=True, eq=False)
class DataLoaders:
    """The images of a training, for one device.

    Attributes:
        sampler: Chooses the images of ``train``.
        train: Training batches.
        validation: Validation batches; together, the devices have each image once.
    """

    sampler: MultiScaleBatchSampler
    train: DataLoader[Any]
    validation: DataLoader[Any]

    def steps(self, epoch: int) -> Sequence[StepPlan]:
        """Return the steps of an epoch."""
        return [StepPlan(len(plan.positions), plan.images) for plan in self.sampler.steps(epoch)]

    def batches(self, epoch: int, step: int) -> Iterator[Any]:
        """Return the training batches of an epoch from a step on, one for each part of a step."""
        self.sampler.go_to(epoch, step)
        return iter(self.train)


def build_loaders(task: TrainingTask, config: AcceleratorConfig, fabric: Fabric) -> DataLoaders:
    """Return the data loaders of a training for one device."""
    recipe, devices, device = task.job.recipe, fabric.world_size, fabric.global_rank
    sampler = MultiScaleBatchSampler(
        recipe.batches,
        recipe.images.px,
        task.split.train,
        seed=task.job.seed,
        devices=devices,
        device=device,
    )
    workers = workers_for(config, devices, in_memory=task.in_memory)
    # Devices take turns, image by image.
    own = task.split.validation[device::devices].tolist()
    size = recipe.batches.images_per_device
    batches = [own[start : start + size] for start in range(0, len(own), size)]
    train = _loader(
        task, task.train_dataset, sampler, workers, fabric.device, persistent=workers > 0
    )
    validation = _loader(
        task,
        task.validation_dataset,
        batches,
        min(workers, len(batches)),
        fabric.device,
        persistent=False,
    )
    return DataLoaders(sampler, train, validation)


def _loader(
    task: TrainingTask,
    dataset: Any,
    batches: Any,
    workers: int,
    device: torch.device,
    *,
    persistent: bool,
) -> DataLoader[Any]:
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=task.collate,
        pin_memory=device.type == "cuda",
        persistent_workers=persistent,
        # Otherwise it draws from torch's global generator.
        generator=torch.Generator(),
    )
