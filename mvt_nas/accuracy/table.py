"""The accuracy table: one line per training, appended when the training ends.

A CSV file that any program reads; architecture and curve are JSON in their cells. ``#`` lines at
its head hold the protocol and the source of the images. All trainings of a table follow one
protocol on one split of one dataset, so that they can be compared.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mvt_nas._io import read_text
from mvt_nas.accuracy.trained_networks import DistinctNetworks, pooled_sd
from mvt_nas.errors import AccuracyError, ArchitectureError
from mvt_nas.space.architecture import Architecture

COLUMNS = (
    "key",
    "title",
    "panel",
    "seed",
    "status",
    "accuracy",
    "validation_loss",
    "tse_ema",
    "params",
    "macs",
    "seconds",
    "pictures_per_second",
    "hardware",
    "curve",
    "architecture",
)
# Attributes of a training that are not named like their columns, whose names stay so that existing
# files can be read.
_ATTRIBUTES = {"panel": "subset", "pictures_per_second": "images_per_second"}

COMPLETE = "complete"
"""Status of a training that went well."""

LEAST_NETWORKS = 8
"""Fewest networks that a surrogate can be fitted to."""


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """One training.

    Attributes:
        key: Key of the architecture.
        title: Name of the network.
        subset: ``spread``, ``matched`` or ``published``.
        seed: Seed of weights, order and augmentation.
        status: ``complete``, or the reason of the failure.
        accuracy: Accuracy on the validation images, in percent; NaN for a failed training.
        validation_loss: Loss on the validation images.
        tse_ema: Moving average of the training loss, see ``mvt_nas.training``.
        params: Number of trainable parameters.
        macs: Multiply-adds of one image.
        seconds: Wall time of the training, in seconds.
        images_per_second: Training images per second.
        hardware: Description of the hardware.
        curve: Validation accuracy after each epoch, in percent.
        architecture: Architecture as trained.
    """

    key: str
    title: str
    subset: str
    seed: int
    status: str
    accuracy: float
    validation_loss: float
    tse_ema: float
    params: int
    macs: int
    seconds: float
    images_per_second: float
    hardware: str
    curve: tuple[float, ...]
    architecture: Architecture


@dataclass(frozen=True, slots=True)
class AccuracyTable:
    """Comparable trainings.

    Attributes:
        head: What the trainings have in common: ``protocol``, ``data``, ``num_classes``, ``space``,
            and the ``budget`` of the matched subset.
        trainings: Trainings in the order in which they ended.
        where: Path of the file, for messages.
    """

    head: Mapping[str, Any]
    trainings: tuple[TrainedNetwork, ...]
    where: str = "table"

    @property
    def num_classes(self) -> int:
        """Number of classes of the images."""
        return int(self.head["num_classes"])

    def _distinct(self) -> list[TrainedNetwork]:
        """Return the trainings without repetitions of a seed, which would hide the noise."""
        found: dict[tuple[str, int], TrainedNetwork] = {}
        for training in self.trainings:
            found.setdefault((training.key, training.seed), training)
        return list(found.values())

    def _runs(self) -> dict[str, list[TrainedNetwork]]:
        """Return the complete trainings by the key of the network."""
        runs: dict[str, list[TrainedNetwork]] = {}
        for training in self._distinct():
            if training.status == COMPLETE and math.isfinite(training.accuracy):
                runs.setdefault(training.key, []).append(training)
        return runs

    def accuracies(self) -> dict[str, float]:
        """Return the accuracy of each network in percent, averaged over its seeds, by key."""
        return {
            key: float(np.mean([training.accuracy for training in members]))
            for key, members in self._runs().items()
        }

    def __len__(self) -> int:
        """Return the number of trained networks, without failed trainings."""
        return len(self._runs())

    def networks(self, least: int = LEAST_NETWORKS) -> DistinctNetworks:
        """Return the networks with their accuracy averaged over seeds, without failed trainings.

        Args:
            least: Fewest networks that are enough.

        Raises:
            AccuracyError: the table has fewer trained networks.
        """
        runs = self._runs()
        if len(runs) < least:
            raise AccuracyError(
                f"{self.where}: {len(runs)} trained networks are too few; at least {least}"
            )
        firsts = [members[0] for members in runs.values()]
        by_seed = [[training.accuracy for training in members] for members in runs.values()]
        return DistinctNetworks(
            architectures=tuple(first.architecture for first in firsts),
            subsets=tuple(first.subset for first in firsts),
            accuracy=np.array([np.mean(accuracies) for accuracies in by_seed]),
            single=np.array([first.accuracy for first in firsts]),
            seed_sd=pooled_sd(by_seed),
            num_classes=self.num_classes,
        )


def read_table(path: str | Path) -> AccuracyTable:
    """Return the table in a file; an incomplete last line is left out.

    Raises:
        AccuracyError: it cannot be read, or a line is damaged.
    """
    file = Path(path)
    text = read_text(file, error=AccuracyError)
    lines = text.splitlines(keepends=True)
    # An interrupted process may have written only a part of the last line.
    whole = lines if not lines or lines[-1].endswith("\n") else lines[:-1]
    head = _head([line for line in whole if line.startswith("#")], str(file))
    rows = [line for line in whole if not line.startswith("#")]
    return AccuracyTable(head, _trainings(rows, str(file)), str(file))


def _head(lines: Sequence[str], where: str) -> dict[str, Any]:
    try:
        head = json.loads("".join(line.removeprefix("#") for line in lines))
        if not isinstance(head, dict) or not isinstance(head["num_classes"], int):
            raise KeyError("num_classes")
    except (ValueError, KeyError) as error:
        raise AccuracyError(
            f"{where}: no table of trained networks (its head cannot be read: {error})"
        ) from None
    return head


def _trainings(rows: Sequence[str], where: str) -> tuple[TrainedNetwork, ...]:
    found: list[TrainedNetwork] = []
    try:
        reader = csv.DictReader(rows)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise AccuracyError(f"{where}: column {missing[0]!r} is missing")
        for row in reader:
            found.append(_training(row))
    except (ValueError, TypeError, KeyError, RecursionError, csv.Error, ArchitectureError) as error:
        raise AccuracyError(
            f"{where}: training {len(found) + 1} is damaged ({' '.join(str(error).split())[:100]})"
        ) from None
    return tuple(found)


def _training(row: Mapping[str, str]) -> TrainedNetwork:
    architecture = Architecture.from_json(row["architecture"])
    if architecture.key != row["key"]:
        raise ValueError(
            f"key = {row['key']} does not belong to the architecture ({architecture.key})"
        )
    return TrainedNetwork(
        key=row["key"],
        title=row["title"],
        subset=row["panel"],
        seed=int(row["seed"]),
        status=row["status"],
        accuracy=float(row["accuracy"]),
        validation_loss=float(row["validation_loss"]),
        tse_ema=float(row["tse_ema"]),
        params=int(row["params"]),
        macs=int(row["macs"]),
        seconds=float(row["seconds"]),
        images_per_second=float(row["pictures_per_second"]),
        hardware=row["hardware"],
        curve=tuple(float(value) for value in json.loads(row["curve"])),
        architecture=architecture,
    )


def start_table(path: Path, head: Mapping[str, Any]) -> None:
    """Write a table without trainings."""
    text = "".join(f"# {line}\n" for line in json.dumps(head, indent=1).splitlines())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + ",".join(COLUMNS) + "\n", encoding="utf-8")


def append(path: Path, training: TrainedNetwork) -> None:
    """Append a training with one write, after cutting off an incomplete last line.

    Raises:
        AccuracyError: it cannot be written.
    """
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow([_cell(training, name) for name in COLUMNS])
    try:
        data = path.read_bytes()
        # Up to the last line break; what an interrupted process has written after it goes.
        with open(path, "r+b") as file:
            file.truncate(data.rfind(b"\n") + 1)
            file.seek(0, io.SEEK_END)
            file.write(buffer.getvalue().encode())
    except OSError as error:
        raise AccuracyError(
            f"{path}: cannot be written ({error.strerror}); what is finished is kept"
        ) from None


def _cell(training: TrainedNetwork, name: str) -> object:
    if name == "architecture":
        return json.dumps(training.architecture.to_dict(), separators=(",", ":"))
    if name == "curve":
        return json.dumps(list(training.curve))
    return getattr(training, _ATTRIBUTES.get(name, name))
