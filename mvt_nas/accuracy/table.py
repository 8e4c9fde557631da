"""The table of trained networks: one line per training, appended as each ends.

A CSV file that any program reads; architecture and curve are JSON in their cells. ``#`` lines at
its head hold the protocol and where the pictures came from. All trainings of a table follow one
protocol on one split of one set of pictures, so that they can be compared.
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
COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """One training.

    Attributes:
        key: of the architecture.
        title: what it was called.
        panel: ``spread``, ``matched`` or ``published``.
        seed: of weights, order and augmentation.
        status: ``complete``, or what went wrong.
        accuracy: on the validation pictures, in percent; NaN where it went wrong.
        validation_loss: on the same.
        tse_ema: moving average of the training loss, see ``mvt_nas.training``.
        params: trainable parameters.
        macs: multiply-adds of one picture.
        seconds: of training.
        pictures_per_second: seen in training.
        hardware: in words.
        curve: validation accuracy after each epoch, in percent.
        architecture: as it was trained.
    """

    key: str
    title: str
    panel: str
    seed: int
    status: str
    accuracy: float
    validation_loss: float
    tse_ema: float
    params: int
    macs: int
    seconds: float
    pictures_per_second: float
    hardware: str
    curve: tuple[float, ...]
    architecture: Architecture


@dataclass(frozen=True, slots=True)
class AccuracyTable:
    """Trainings that can be compared.

    Attributes:
        head: what they have in common: ``protocol``, ``data``, ``num_classes``, ``space``,
            ``budget`` of the matched panel.
        trainings: in the order in which they ended.
        where: the file.
    """

    head: Mapping[str, Any]
    trainings: tuple[TrainedNetwork, ...]
    where: str = "table"

    @property
    def num_classes(self) -> int:
        """Classes of the pictures."""
        return int(self.head["num_classes"])

    def _different(self) -> list[TrainedNetwork]:
        """Return the trainings without repetitions of one seed, which would show no noise."""
        found: dict[tuple[str, int], TrainedNetwork] = {}
        for training in self.trainings:
            found.setdefault((training.key, training.seed), training)
        return list(found.values())

    def _runs(self) -> dict[str, list[TrainedNetwork]]:
        """Return the trainings that went well, by the key of the network."""
        runs: dict[str, list[TrainedNetwork]] = {}
        for training in self._different():
            if training.status == COMPLETE and math.isfinite(training.accuracy):
                runs.setdefault(training.key, []).append(training)
        return runs

    def accuracies(self) -> dict[str, float]:
        """Return the accuracy of each network in percent, averaged over its seeds, by key."""
        return {
            key: float(np.mean([one.accuracy for one in members]))
            for key, members in self._runs().items()
        }

    def networks(self) -> DistinctNetworks:
        """Return the networks with their accuracy averaged over seeds; trainings that went wrong are left out.

        Raises:
            AccuracyError: fewer than eight networks were trained.
        """
        runs = self._runs()
        if len(runs) < _LEAST:
            raise AccuracyError(
                f"{self.where}: {len(runs)} trained networks are too few; at least {_LEAST}"
            )
        firsts = [members[0] for members in runs.values()]
        return DistinctNetworks(
            architectures=tuple(one.architecture for one in firsts),
            panels=tuple(one.panel for one in firsts),
            accuracy=np.array(
                [np.mean([one.accuracy for one in members]) for members in runs.values()]
            ),
            single=np.array([members[0].accuracy for members in runs.values()]),
            seed_sd=pooled_sd([[one.accuracy for one in members] for members in runs.values()]),
            num_classes=self.num_classes,
        )


_LEAST = 8


def read_table(path: str | Path) -> AccuracyTable:
    """Return the table in a file; a last line that was torn is left out.

    Raises:
        AccuracyError: it cannot be read, or a line is damaged.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AccuracyError(
            f"{file}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})"
        ) from None
    lines = text.splitlines(keepends=True)
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
    numbers = {
        name: float(row[name])
        for name in ("accuracy", "validation_loss", "tse_ema", "seconds", "pictures_per_second")
    }
    whole = {name: int(row[name]) for name in ("seed", "params", "macs")}
    words = {name: row[name] for name in ("key", "title", "panel", "status", "hardware")}
    curve = tuple(float(value) for value in json.loads(row["curve"]))
    return TrainedNetwork(**numbers, **whole, **words, curve=curve, architecture=architecture)  # type: ignore[arg-type]  # the names say which


def start_table(path: Path, head: Mapping[str, Any]) -> None:
    """Write a table without trainings."""
    text = "".join(f"# {line}\n" for line in json.dumps(head, indent=1).splitlines())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + ",".join(COLUMNS) + "\n", encoding="utf-8")


def append(path: Path, training: TrainedNetwork) -> None:
    """Append a training with one write; a line that an interrupted one has left in part is cut off first.

    Raises:
        AccuracyError: it cannot be written.
    """
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow([_cell(training, name) for name in COLUMNS])
    try:
        data = path.read_bytes()
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
    return getattr(training, name)
