"""How good a network is: loss, top-1, top-5 and which classes it takes for which."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from mvt_nas.errors import DataError
from mvt_nas.fitting.pictures import UNREADABLE, Batch

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
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


def prepared(batch: Batch, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return images (B, 3, H, W), float32 from 0 to 1, and labels (B,) on a device."""
    images = batch.images.to(device, non_blocking=True)
    return images.float().div_(255).contiguous(memory_format=torch.channels_last), batch.labels.to(device, non_blocking=True)


@torch.no_grad()
def judge(networks: list[nn.Module], batches: Iterable[Batch], num_classes: int, fabric: Fabric) -> tuple[list[Judged], list[str]]:
    """Return what each of several networks makes of the same pictures, and those that could not be read.

    Every device judges its own batches; the counts are summed over all.

    Raises:
        DataError: no picture could be read.
    """
    device = fabric.device
    sums = [torch.zeros(3, dtype=torch.float64, device=device) for _ in networks]
    confusions = [torch.zeros(num_classes, num_classes, dtype=torch.int64, device=device) for _ in networks]
    modes = [network.training for network in networks]
    unreadable: list[str] = []
    try:
        for network in networks:
            network.eval()
        for batch in batches:
            unreadable += batch.unreadable
            images, labels = prepared(batch, device)
            for network, summed, confusion in zip(networks, sums, confusions, strict=True):
                with fabric.autocast():
                    logits = network(images)
                _count(logits.float(), labels, summed, confusion)
    finally:
        for network, mode in zip(networks, modes, strict=True):
            network.train(mode)
    found = [_judged(_sum(summed, fabric), _sum(confusion, fabric)) for summed, confusion in zip(sums, confusions, strict=True)]
    return found, unreadable


def _count(logits: Tensor, labels: Tensor, summed: Tensor, confusion: Tensor) -> None:
    known = labels != UNREADABLE
    logits, labels = logits[known], labels[known]
    classes = logits.shape[1]
    summed[0] += functional.cross_entropy(logits, labels, reduction="sum").double()
    likeliest = logits.topk(min(5, classes), dim=1).indices
    hits = likeliest == labels[:, None]
    summed[1] += hits[:, 0].sum()
    summed[2] += hits.any(1).sum()
    confusion += torch.bincount(labels * classes + likeliest[:, 0], minlength=classes * classes).view(classes, classes)


def _sum(values: Tensor, fabric: Fabric) -> Tensor:
    if fabric.world_size == 1:
        return values.cpu()
    total: Tensor = fabric.all_reduce(values, reduce_op="sum")  # type: ignore[assignment]  # a tensor for a tensor
    return total.cpu()


def _judged(summed: Tensor, confusion: Tensor) -> Judged:
    count = int(confusion.sum())
    if not count:
        raise DataError("none of the validation pictures can be read")
    loss, first, five = (float(value) / count for value in summed)
    return Judged(loss, first, five, confusion)
