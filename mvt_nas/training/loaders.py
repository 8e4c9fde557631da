"""What hands pictures to the network: processes that decode and augment ahead of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader

from mvt_nas.training.accelerator import AcceleratorConfig, workers_for
from mvt_nas.training.batch_sampler import MultiScaleBatchSampler
from mvt_nas.training.task import TrainingTask

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True, slots=True, eq=False)
class DataLoaders:
    """The pictures of a training, for one device.

    Attributes:
        sampler: says which pictures ``learnt`` yields.
        learnt: batches to learn from.
        judged: batches to judge by; together, the devices have each picture once.
    """

    sampler: MultiScaleBatchSampler
    learnt: DataLoader[Any]
    judged: DataLoader[Any]


def build_loaders(task: TrainingTask, machine: AcceleratorConfig, fabric: Fabric) -> DataLoaders:
    """Return what hands the pictures of a training to one device."""
    recipe, devices, device = task.job.recipe, fabric.world_size, fabric.global_rank
    sampler = MultiScaleBatchSampler(
        recipe.batches,
        recipe.images.px,
        task.parts.learnt,
        seed=task.job.seed,
        devices=devices,
        device=device,
    )
    workers = workers_for(machine, devices, at_hand=task.at_hand)
    own, at_once = task.parts.judged[device::devices].tolist(), recipe.batches.images_per_device
    rows = [own[start : start + at_once] for start in range(0, len(own), at_once)]
    return DataLoaders(
        sampler,
        _loader(task, task.learnt, sampler, workers, fabric.device, persistent=workers > 0),
        _loader(task, task.judged, rows, min(workers, len(rows)), fabric.device, persistent=False),
    )


def _loader(
    task: TrainingTask,
    pictures: Any,
    batches: Any,
    workers: int,
    device: torch.device,
    *,
    persistent: bool,
) -> DataLoader[Any]:
    return DataLoader(
        pictures,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=task.collate,
        pin_memory=device.type == "cuda",
        persistent_workers=persistent,
        generator=torch.Generator(),  # else it draws from torch's global one
    )
