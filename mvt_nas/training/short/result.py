"""What a training leaves behind, as plain numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mvt_nas.space.architecture import Architecture
from mvt_nas.training.short.protocol import ShortRecipe

TSE_DECAY = 0.9
COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class ShortEpochRecord:
    """One pass over the training pictures.

    Attributes:
        train_loss: mean over the epoch's batches while learning, with augmentation and label
            smoothing, nats.
        validation_loss: mean cross-entropy afterwards, without smoothing, nats.
        accuracy: share of validation pictures that are right, 0 to 1.
        ema_accuracy: the same with averaged weights.
    """

    train_loss: float
    validation_loss: float
    accuracy: float
    ema_accuracy: float


@dataclass(frozen=True, slots=True)
class ShortTrainingResult:
    """A training that has ended.

    Attributes:
        architecture: what was trained, strides and patches as used.
        protocol: the recipe.
        seed: of weights, order and augmentation.
        images: fingerprint of the pictures.
        split: hash of the split.
        status: ``"complete"``, or ``"diverged: "`` and how.
        curve: the epochs that were finished; that in which a training diverged is not among them.
        dtype: of the arithmetic, ``"fp32"`` or ``"bf16"``.
        seconds: of all, over all sittings.
        pictures_per_s: pictures learnt from per second, without validation.
        hardware: what it ran on.
    """

    architecture: Architecture
    protocol: ShortRecipe
    seed: int
    images: str
    split: str
    status: str
    curve: tuple[ShortEpochRecord, ...]
    dtype: str
    seconds: float
    pictures_per_s: float
    hardware: Mapping[str, Any]

    @property
    def complete(self) -> bool:
        """Whether it went to its end."""
        return self.status == COMPLETE

    @property
    def accuracy(self) -> float:
        """Share of validation pictures right after the last epoch, 0 to 1, no choice among epochs; NaN where the training diverged."""
        return self.curve[-1].accuracy if self.complete else float("nan")

    @property
    def ema_accuracy(self) -> float:
        """The same with averaged weights."""
        return self.curve[-1].ema_accuracy if self.complete else float("nan")

    @property
    def tse_ema(self) -> float:
        """The training-speed estimate of the whole curve, lower is better; NaN where the training diverged."""
        return (
            tse_ema([epoch.train_loss for epoch in self.curve]) if self.complete else float("nan")
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain data, for a row of a table."""
        own = {
            f.name: getattr(self, f.name)
            for f in dataclasses.fields(self)
            if f.name not in ("architecture", "protocol", "curve")
        }
        parts = {
            "architecture": self.architecture.to_dict(),
            "protocol": self.protocol.to_dict(),
            "protocol_key": self.protocol.key,
        }
        found = {
            "accuracy": self.accuracy,
            "ema_accuracy": self.ema_accuracy,
            "tse_ema": self.tse_ema,
        }
        return (
            parts
            | own
            | {"hardware": dict(self.hardware)}
            | found
            | {"curve": [dataclasses.asdict(epoch) for epoch in self.curve]}
        )


def tse_ema(losses: Sequence[float], decay: float = TSE_DECAY) -> float:
    """Return the sum of an epoch's training losses in which each earlier epoch counts ``decay`` times less.

    Source: Ru et al., "Speedy performance estimation for neural architecture search", arXiv
        2006.04492 (TSE-EMA).
    """
    result = 0.0
    for loss in losses:
        result = decay * result + loss
    return result
