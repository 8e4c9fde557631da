"""What is counted of a network beside its loss, by task: names of columns and titles. By the first, the best epoch is chosen.

What every epoch came to, as a table.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mvt_nas.errors import TrainingError

METRIC_TITLES = {
    "classification": {"top1": "top-1", "top5": "top-5"},
    "detection": {"ap": "AP", "ap50": "AP50"},
    "segmentation": {"miou": "mIoU", "pixel_accuracy": "pixel accuracy"},
}
"""All are shares from 0 to 1."""


_OURS = ("epoch", "steps", "learning_rate", "train_loss")


@dataclass(frozen=True, slots=True)
class ValidationMetrics:
    """What weights make of the validation pictures.

    Attributes:
        loss: the mean, in nats.
        shares: by name, 0 to 1, such as ``top1``; by the first, the best epoch is chosen.
    """

    loss: float
    shares: Mapping[str, float]

    @property
    def main(self) -> float:
        """The share that the best epoch is chosen by."""
        return next(iter(self.shares.values()))


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch.

    Attributes:
        epoch: from 1.
        steps: of the optimiser in it.
        learning_rate: of its last step.
        train_loss: mean over what was learnt from, with augmentation and label smoothing, nats.
        plain: how good the weights are afterwards.
        average: how good averaged weights are.
        seconds: of the training so far, over all sittings.
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
        """The better of both shares."""
        return max(self.plain.main, self.average.main)

    def to_dict(self) -> dict[str, float]:
        """Return the row by column."""
        ours = {name: getattr(self, name) for name in _OURS}
        plain = {"validation_loss": self.plain.loss, **self.plain.shares}
        average = {
            "ema_loss": self.average.loss,
            **{f"ema_{name}": value for name, value in self.average.shares.items()},
        }
        return ours | plain | average | {"seconds": self.seconds}

    def to_values(self) -> tuple[float, ...]:
        """Return the row without the names of its columns."""
        return tuple(self.to_dict().values())

    @staticmethod
    def from_values(values: Sequence[float], shares: Sequence[str]) -> EpochRecord:
        """Return the row of :meth:`to_values`, given the names of its shares.

        Raises:
            ValueError: it has another number of columns.
        """
        epoch, steps, rate, train_loss, *found, seconds = values
        each = 1 + len(shares)
        if len(found) != 2 * each:
            raise ValueError(f"a row of {len(values)} values")
        plain, average = (
            ValidationMetrics(part[0], dict(zip(shares, part[1:], strict=True)))
            for part in (found[:each], found[each:])
        )
        return EpochRecord(int(epoch), int(steps), rate, train_loss, plain, average, seconds)


def write_history(path: Path, rows: Sequence[EpochRecord]) -> None:
    """Write all epochs, of which there is one at least, as CSV, in one step.

    Raises:
        TrainingError: it cannot be written.
    """
    building = path.with_name(f".{path.name}.new")
    try:
        with building.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(rows[0].to_dict())
            table.writerows(row.to_values() for row in rows)
        os.replace(building, path)
    except OSError as error:
        raise TrainingError(f"{path}: cannot be written ({error.strerror or error})") from None


def scalars(row: EpochRecord) -> dict[str, float]:
    """Return what of an epoch is worth a curve, by name."""
    return {
        name: value
        for name, value in row.to_dict().items()
        if name not in ("epoch", "steps", "seconds")
    }
