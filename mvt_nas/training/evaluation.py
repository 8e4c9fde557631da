"""How good networks are by the validation pictures: the pass over them, whatever the task counts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from mvt_nas.errors import DataError
from mvt_nas.training.dataset import ImageBatch
from mvt_nas.training.history import ValidationMetrics

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class EvaluationDataset(Protocol):
    """What a network made of the validation pictures."""

    @property
    def scores(self) -> ValidationMetrics:
        """The figures of it that are written down."""


J = TypeVar("J", bound=EvaluationDataset)


class MetricAccumulator(ABC, Generic[J]):
    """Counts what one network makes of batch after batch."""

    @abstractmethod
    def add(self, outputs: Any, batch: Any) -> None:
        """Count what a network gave for a batch."""

    @abstractmethod
    def result(self, fabric: Fabric) -> J:
        """Return what all devices counted.

        Raises:
            DataError: no picture could be read.
        """


def on_device(images: Tensor, device: torch.device) -> Tensor:
    """Return images, (B, 3, H, W) in uint8, on a device as float32 from 0 to 1."""
    return (
        images.to(device, non_blocking=True)
        .float()
        .div_(255)
        .contiguous(memory_format=torch.channels_last)
    )


@torch.no_grad()
def evaluate(
    networks: Sequence[nn.Module],
    batches: Iterable[ImageBatch],
    tallies: Sequence[MetricAccumulator[J]],
    fabric: Fabric,
) -> tuple[list[J], list[str]]:
    """Return what each of several networks makes of the same pictures, and those that could not be read.

    Every device judges its own batches; the counts are of all.

    Raises:
        DataError: no picture could be read, or an annotation is not allowed.
    """
    modes = [network.training for network in networks]
    unreadable: list[str] = []
    try:
        for network in networks:
            network.eval()
        for batch in batches:
            unreadable += batch.unreadable
            refuse_wrong(batch)
            images = on_device(batch.images, fabric.device)
            for network, tally in zip(networks, tallies, strict=True):
                with fabric.autocast():
                    outputs = network(images)
                tally.add(outputs, batch)
    finally:
        for network, mode in zip(networks, modes, strict=True):
            network.train(mode)
    return [tally.result(fabric) for tally in tallies], unreadable


def refuse_wrong(batch: ImageBatch) -> None:
    """Raise what the process that read a batch found wrong with its annotations.

    Raises:
        DataError: an annotation is not allowed.
    """
    if batch.wrong:
        raise DataError(batch.wrong[0])


def summed(values: Tensor, fabric: Fabric) -> Tensor:
    """Return the sum of a tensor over all devices, on the processor."""
    if fabric.world_size == 1:
        return values.cpu()
    total: Tensor = fabric.all_reduce(values, reduce_op="sum")  # type: ignore[assignment]  # a tensor for a tensor
    return total.cpu()
