"""What every epoch came to, as a table."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path

from mvt_nas.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Row:
    """One epoch.

    Attributes:
        epoch: from 1.
        steps: of the optimiser in it.
        learning_rate: of its last step.
        train_loss: mean over what was learnt from, with augmentation and label smoothing, nats.
        validation_loss: mean cross-entropy afterwards, nats.
        top1: share of validation pictures whose likeliest class is right, 0 to 1.
        top5: the same of the five likeliest.
        ema_loss: ``validation_loss`` with averaged weights.
        ema_top1: ``top1`` with averaged weights.
        ema_top5: ``top5`` with averaged weights.
        seconds: of the training so far, over all sittings.
    """

    epoch: int
    steps: int
    learning_rate: float
    train_loss: float
    validation_loss: float
    top1: float
    top5: float
    ema_loss: float
    ema_top1: float
    ema_top5: float
    seconds: float

    @property
    def best(self) -> float:
        """The better of both shares."""
        return max(self.top1, self.ema_top1)


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write all epochs as CSV, in one step.

    Raises:
        TrainingError: it cannot be written.
    """
    building = path.with_name(f".{path.name}.new")
    try:
        with building.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow([field.name for field in fields(Row)])
            table.writerows(astuple(row) for row in rows)
        os.replace(building, path)
    except OSError as error:
        raise TrainingError(f"{path}: cannot be written ({error.strerror or error})") from None


def scalars(row: Row) -> dict[str, float]:
    """Return what of an epoch is worth a curve, by name."""
    return {name: value for name, value in asdict(row).items() if name not in ("epoch", "steps", "seconds")}
