"""The epochs of a short training: its state, its loop, and the figures of each epoch."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mvt_nas.models.network import build_model
from mvt_nas.space.architecture import Architecture
from mvt_nas.training.accelerator import Accelerator
from mvt_nas.training.ema import EmaUpdater
from mvt_nas.training.evaluation import MetricAccumulator, evaluate, sum_over_devices
from mvt_nas.training.memory_loader import (
    ImageTensors,
    MemoryLoader,
    TensorBatch,
    validation_batches,
)
from mvt_nas.training.schedule import learning_rate_at_step
from mvt_nas.training.short_recipe import ShortRecipe
from mvt_nas.training.state import (
    TrainingState,
    build_optimiser,
    new_training_state,
    on_device,
)
from mvt_nas.training.train_epoch import (
    DivergenceError,
    TrainingLoop,
    mean_loss,
    train_one_epoch,
)

_DIVERGED = 3.0
"""Mean loss of an epoch, in losses of random guessing, above which a training has diverged."""


@dataclass(frozen=True, slots=True)
class ShortEpochRecord:
    """The figures of one epoch of a short training.

    Attributes:
        train_loss: Mean over the epoch's batches, with augmentation and label smoothing, in nats.
        validation_loss: Mean cross-entropy after the epoch, without smoothing, in nats.
        accuracy: Top-1 accuracy on the validation images after the epoch, 0 to 1.
        ema_accuracy: The same with averaged weights.
    """

    train_loss: float
    validation_loss: float
    accuracy: float
    ema_accuracy: float

    def to_values(self) -> tuple[float, ...]:
        """Return the figures as numbers, for a checkpoint."""
        return dataclasses.astuple(self)

    @staticmethod
    def from_values(values: Sequence[float]) -> ShortEpochRecord:
        """Return the record of :meth:`to_values`.

        Raises:
            TypeError: it has another number of values.
        """
        return ShortEpochRecord(*values)


class ShortTraining:
    """A short training in progress; also what its network is trained for.

    Args:
        state: State of the training; is advanced.
        recipe: Recipe.
        train: Training images.
        validation: Validation images.
        accelerator: Device and precision.
        num_classes: Number of classes.
        seed: Seed of order and augmentation.
        compiled: Whether to use ``torch.compile``.
    """

    def __init__(
        self,
        state: TrainingState[ShortEpochRecord],
        recipe: ShortRecipe,
        train: ImageTensors,
        validation: ImageTensors,
        *,
        accelerator: Accelerator,
        num_classes: int,
        seed: int,
        compiled: bool = False,
    ) -> None:
        self._state = state
        self._recipe = recipe
        self._validation = validation
        self._accelerator = accelerator
        self._guessing_loss = math.log(num_classes)
        forward: nn.Module = torch.compile(state.network) if compiled else state.network  # type: ignore[assignment]  # it is one
        self._loop = TrainingLoop(
            accelerator=accelerator,
            forward=forward,
            optimiser=state.optimiser,
            ema=EmaUpdater(state.network, state.average, recipe.ema_decay),
            loader=MemoryLoader(train, recipe, seed),
            objective=self,
            learning_rate=self._learning_rate,
            clip_norm=recipe.clip_norm,
            seed=seed,
            max_unreadable=0,
            weigh_by_images=False,
            has_dropout=False,
        )

    def run_epoch(self) -> None:
        """Train for an epoch and evaluate; if the loss diverges, the state says so."""
        try:
            train_loss = self.train_one_epoch()
        except DivergenceError as error:
            self._state.status = f"diverged: {error} in epoch {self._state.epoch + 1}"
            return
        start = time.perf_counter()
        networks = (self._state.network, self._state.average)
        batches = validation_batches(self._validation)
        accumulators = [AccuracyAccumulator(self._accelerator.device) for _ in networks]
        (plain, averaged), _ = evaluate(networks, batches, accumulators, self._accelerator)
        self._state.validation_seconds += time.perf_counter() - start
        self._state.next_epoch(ShortEpochRecord(train_loss, *plain, averaged[1]))

    def train_one_epoch(self) -> float:
        """Make the steps of an epoch; return their mean loss.

        Raises:
            DivergenceError: the loss is not a finite number, or its mean is above three times that
                of random guessing.
        """
        train_one_epoch(self._state, self._loop)
        mean = mean_loss(self._state, self._loop)
        if mean > _DIVERGED * self._guessing_loss:
            raise DivergenceError(f"loss {mean:.3g}, guessing has {self._guessing_loss:.3g}")
        return mean

    def training_batch(
        self, batch: TensorBatch, device: torch.device, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return images (B, 3, H, W) and labels (B,), which the loader has augmented already."""
        return batch.images, batch.labels

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy of logits (B, classes)."""
        smoothing = self._recipe.label_smoothing
        return functional.cross_entropy(outputs.float(), targets, label_smoothing=smoothing)

    def _learning_rate(self, state: TrainingState[Any]) -> float:
        recipe = self._recipe
        total = recipe.epochs * recipe.steps_per_epoch
        warmup = round(recipe.warmup_share * total)
        return learning_rate_at_step(
            state.steps, total=total, warmup=warmup, peak=recipe.learning_rate
        )


class AccuracyAccumulator(MetricAccumulator[tuple[float, float]]):
    """Accumulates mean cross-entropy in nats and top-1 accuracy, 0 to 1."""

    def __init__(self, device: torch.device) -> None:
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self._count = 0

    def add(self, outputs: Tensor, batch: TensorBatch) -> None:
        """Add logits, (B, classes)."""
        self._loss += functional.cross_entropy(outputs.float(), batch.labels, reduction="sum")
        self._correct += (outputs.argmax(1) == batch.labels).sum()
        self._count += len(batch.labels)

    def result(self, accelerator: Accelerator) -> tuple[float, float]:
        """Return loss and accuracy."""
        loss = sum_over_devices(self._loss, accelerator)
        correct = sum_over_devices(self._correct, accelerator)
        return float(loss) / self._count, int(correct) / self._count


def new_short_training_state(
    architecture: Architecture,
    recipe: ShortRecipe,
    num_classes: int,
    seed: int,
    device: torch.device,
) -> TrainingState[ShortEpochRecord]:
    """Return the state before the first step.

    The weights are drawn on the CPU, so that they are the same on every device.
    """
    network = on_device(build_model(architecture, num_classes=num_classes, seed=seed), device)
    optimiser = build_optimiser(
        network, learning_rate=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    return new_training_state(network, optimiser, device, ShortEpochRecord.from_values)
