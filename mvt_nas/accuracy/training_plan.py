"""Files of trainings to do: a table's networks, chosen by a user instead of drawn."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mvt_nas._io import read_text
from mvt_nas.accuracy.design import PlannedNetwork
from mvt_nas.errors import AccuracyError, ArchitectureError
from mvt_nas.space.architecture import Architecture

COLUMNS = ("panel", "title", "seed", "architecture")
"""Columns of a file of trainings; others are ignored, so a table is such a file too."""


@dataclass(frozen=True, slots=True)
class TableTraining:
    """One training to do.

    Attributes:
        planned: Network.
        seed: Seed of the training.
    """

    planned: PlannedNetwork
    seed: int


def read_plan(path: Path) -> tuple[TableTraining, ...]:
    """Return the trainings in a CSV file, in their order.

    Raises:
        AccuracyError: The file cannot be read, or a row is damaged.
    """
    text = read_text(path, error=AccuracyError)
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise AccuracyError(f"{path}: column {missing[0]!r} is missing")
    found: list[TableTraining] = []
    try:
        for row in rows:
            found.append(_training(row))
    except (ValueError, TypeError, csv.Error, ArchitectureError) as error:
        reason = " ".join(str(error).split())[:100]
        raise AccuracyError(f"{path}: row {len(found) + 1} is damaged ({reason})") from None
    if not found:
        raise AccuracyError(f"{path}: holds no trainings")
    return tuple(found)


def _training(row: Mapping[str, str]) -> TableTraining:
    seed = int(row["seed"])
    if seed < 0:
        raise ValueError(f"seed = {seed} is not allowed; 0 or more")
    architecture = Architecture.from_json(row["architecture"], row["title"])
    return TableTraining(PlannedNetwork(row["panel"], row["title"], architecture), seed)
