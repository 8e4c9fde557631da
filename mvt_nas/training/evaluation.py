"""Evaluation of networks on the validation images, for every task and both kinds of trainings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from mvt_nas.errors import DataError
from mvt_nas.training.accelerator import Accelerator
from mvt_nas.training.history import ValidationMetrics


class InputBatch(Protocol):
    """A batch of images with their targets."""

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Images that could not be read, each with the reason."""

    @property
    def wrong(self) -> tuple[str, ...]:
        """Invalid annotations, each with the reason."""

    def inputs(self, device: torch.device) -> Tensor:
        """Return the network's input, (B, 3, H, W), float32, on a device."""


class Evaluation(Protocol):
    """The result of an evaluation on the validation images."""

    @property
    def metrics(self) -> ValidationMetrics:
        """The figures that are recorded."""


E = TypeVar("E")


class MetricAccumulator(ABC, Generic[E]):
    """Accumulates the metrics of one network, batch after batch."""

    @abstractmethod
    def add(self, outputs: Any, batch: Any) -> None:
        """Add the network's outputs for a batch."""

    @abstractmethod
    def result(self, accelerator: Accelerator) -> E:
        """Return the metrics over all devices.

        Raises:
            DataError: no image could be read.
        """


@torch.no_grad()
def evaluate(
    networks: Sequence[nn.Module],
    batches: Iterable[InputBatch],
    accumulators: Sequence[MetricAccumulator[E]],
    accelerator: Accelerator,
) -> tuple[list[E], list[str]]:
    """Return each network's metrics on the same images, and the images that could not be read.

    Every device evaluates its own batches; the metrics are over all of them.

    Raises:
        DataError: no image could be read, or an annotation is not allowed.
    """
    modes = [network.training for network in networks]
    unreadable: list[str] = []
    try:
        for network in networks:
            network.eval()
        for batch in batches:
            unreadable += batch.unreadable
            refuse_wrong(batch)
            images = batch.inputs(accelerator.device)
            for network, accumulator in zip(networks, accumulators, strict=True):
                with accelerator.autocast():
                    outputs = network(images)
                accumulator.add(outputs, batch)
    finally:
        for network, mode in zip(networks, modes, strict=True):
            network.train(mode)
    return [accumulator.result(accelerator) for accumulator in accumulators], unreadable


def refuse_wrong(batch: InputBatch) -> None:
    """Raise the first invalid annotation of a batch, which a worker process may have found.

    Raises:
        DataError: an annotation is not allowed.
    """
    if batch.wrong:
        raise DataError(batch.wrong[0])


def sum_over_devices(values: Tensor, accelerator: Accelerator) -> Tensor:
    """Return the sum of a tensor over all devices, on the CPU."""
    if accelerator.world_size == 1:
        return values.cpu()
    total: Tensor = accelerator.all_reduce(values, reduce_op="sum")
    return total.cpu()
