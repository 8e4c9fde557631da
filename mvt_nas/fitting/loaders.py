"""What hands pictures to the network: processes that decode and augment ahead of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader

from mvt_nas.data.sources.contract import Catalogue
from mvt_nas.fitting.job import Job
from mvt_nas.fitting.machine import Machine, workers_for
from mvt_nas.fitting.pictures import Batch, JudgedPictures, LearntPictures, collate
from mvt_nas.fitting.sampler import Sampler
from mvt_nas.fitting.split import Parts

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True, slots=True, eq=False)
class Loaders:
    """The pictures of a training, for one device.

    Attributes:
        sampler: says which pictures ``learnt`` yields.
        learnt: batches to learn from.
        judged: batches to judge by; together, the devices have each picture once.
    """

    sampler: Sampler
    learnt: DataLoader[Any]
    judged: DataLoader[Any]


def loaders(job: Job, split: Parts, catalogue: Catalogue, machine: Machine, fabric: Fabric) -> Loaders:
    """Return what hands the pictures of a training to one device."""
    recipe, devices, device = job.recipe, fabric.world_size, fabric.global_rank
    sampler = Sampler(recipe.batches, recipe.images.px, split.learnt, seed=job.seed, devices=devices, device=device)
    workers = workers_for(machine, devices, at_hand=not catalogue.cached)
    learnt = LearntPictures(job.data, catalogue, split.learnt, recipe.images, recipe.augmentation, job.seed)
    judged = JudgedPictures(job.data, catalogue, recipe.images)
    own, at_once = split.judged[device::devices].tolist(), recipe.batches.images_per_device
    rows = [own[start : start + at_once] for start in range(0, len(own), at_once)]
    return Loaders(
        sampler,
        _loader(learnt, sampler, workers, fabric.device, persistent=workers > 0),
        _loader(judged, rows, min(workers, len(rows)), fabric.device, persistent=False),
    )


def _loader(pictures: Any, batches: Any, workers: int, device: torch.device, *, persistent: bool) -> DataLoader[Batch]:
    return DataLoader(
        pictures,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=device.type == "cuda",
        persistent_workers=persistent,
        generator=torch.Generator(),  # else it draws from torch's global one
    )
