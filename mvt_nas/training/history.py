"""Training history: one record per epoch (``metrics.csv``), and the metrics of every task.

The best epoch is chosen by the first metric of a task.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mvt_nas._io import atomic_write
from mvt_nas.errors import TrainingError
from mvt_nas.metrics.binomial import format_accuracy, wilson_interval

METRIC_TITLES = {
    "classification": {"top1": "top-1", "top5": "top-5"},
    "detection": {"ap": "AP", "ap50": "AP50"},
    "segmentation": {"miou": "mIoU", "pixel_accuracy": "pixel accuracy"},
}
"""Columns and titles of the metrics of every task; all are shares from 0 to 1."""


@dataclass(frozen=True, slots=True)
class ValidationMetrics:
    """The metrics of a network on the validation images.

    Attributes:
        loss: Mean loss, in nats.
        shares: Metrics by name, 0 to 1, such as ``top1``; the best epoch is chosen by the first.
        images: Number of images of which the metrics are shares; ``None`` if they are shares of
            something else, or were read from a file.
    """

    loss: float
    shares: Mapping[str, float]
    images: int | None = field(default=None, compare=False)

    @property
    def main(self) -> float:
        """The metric by which the best epoch is chosen."""
        return next(iter(self.shares.values()))

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Return the 90 % interval of each metric by name, 0 to 1, if it is a share of images."""
        if self.images is None:
            return {}
        return {name: wilson_interval(share, self.images) for name, share in self.shares.items()}


def format_share(share: float, metrics: ValidationMetrics, unit: str = "") -> str:
    """Return a metric in percent, with its 90 % interval if it is a share of images.

    Args:
        share: Metric, 0 to 1.
        metrics: The metrics that it is one of.
        unit: Unit behind the metric, such as ``" %"``.
    """
    if metrics.images is None:
        return f"{100 * share:.2f}{unit}"
    return format_accuracy(100 * share, metrics.images, 2, unit)


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """The figures of one epoch.

    Attributes:
        epoch: Number of the epoch, from 1.
        steps: Steps of the optimiser in it.
        learning_rate: Learning rate of its last step.
        train_loss: Mean loss over the training images, with augmentation and label smoothing, in
            nats.
        plain: Metrics of the weights after the epoch.
        average: Metrics of the averaged weights.
        seconds: Wall time of the training so far, in seconds, over all interruptions.
    """

    epoch: int
    steps: int
    learning_rate: float
    train_loss: float
    plain: ValidationMetrics
    average: ValidationMetrics
    seconds: float

    @property
    def best(self) -> float:
        """The better main metric of both sets of weights."""
        return max(self.plain.main, self.average.main)

    def to_dict(self) -> dict[str, float]:
        """Return the record by column."""
        return {
            "epoch": self.epoch,
            "steps": self.steps,
            "learning_rate": self.learning_rate,
            "train_loss": self.train_loss,
            "validation_loss": self.plain.loss,
            **self.plain.shares,
            "ema_loss": self.average.loss,
            **{f"ema_{name}": value for name, value in self.average.shares.items()},
            "seconds": self.seconds,
        }

    def to_values(self) -> tuple[float, ...]:
        """Return the record without the names of its columns."""
        return tuple(self.to_dict().values())

    @staticmethod
    def from_values(values: Sequence[float], names: Sequence[str]) -> EpochRecord:
        """Return the record of :meth:`to_values`, given the names of its metrics.

        Raises:
            ValueError: it has another number of columns.
        """
        epoch, steps, rate, train_loss, *found, seconds = values
        each = 1 + len(names)
        if len(found) != 2 * each:
            raise ValueError(f"a row of {len(values)} values")
        plain, average = (
            ValidationMetrics(part[0], dict(zip(names, part[1:], strict=True)))
            for part in (found[:each], found[each:])
        )
        return EpochRecord(int(epoch), int(steps), rate, train_loss, plain, average, seconds)


def best_epoch(history: Sequence[EpochRecord]) -> EpochRecord | None:
    """Return the best epoch, the earliest of equals; ``None`` if there is none."""
    return max(history, key=lambda record: record.best, default=None)


def write_history(path: Path, history: Sequence[EpochRecord]) -> None:
    """Write all epochs, of which there is at least one, as CSV.

    Raises:
        TrainingError: it cannot be written.
    """
    with atomic_write(path, error=TrainingError, text=True) as file:
        table = csv.writer(file)
        table.writerow(history[0].to_dict())
        table.writerows(record.to_values() for record in history)


def scalars(record: EpochRecord) -> dict[str, float]:
    """Return the figures of an epoch that are plotted as curves, by name."""
    left_out = ("epoch", "steps", "seconds")
    return {name: value for name, value in record.to_dict().items() if name not in left_out}
