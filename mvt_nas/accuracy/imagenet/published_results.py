"""Published ImageNet results, from the two tables that ship with the package.

``imagenet_published.csv`` has networks of many families by their size; ``imagenet_in_space.csv``
has results whose networks are architectures of this package: finetuning at 384 px, the papers'
ablations, and MobileNetV2. The 19 published models are in :mod:`mvt_nas.space.published`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from mvt_nas._io import read_text
from mvt_nas.errors import AccuracyError, ArchitectureError
from mvt_nas.resources import benchmark_file
from mvt_nas.space.architecture import Architecture

PUBLISHED_FILE = "imagenet_published.csv"
IN_SPACE_FILE = "imagenet_in_space.csv"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PublishedResult:
    """A published ImageNet-1k result of any network.

    Attributes:
        name: Name of the network and its weights.
        family: Family of networks.
        params: Parameters with 1000 classes.
        macs: MACs at the network's resolution.
        resolution_px: Side of the images of the evaluation.
        top1: Top-1 accuracy in percent.
        recipe: ``cnn-basic``, ``strong-aug``, ``distilled`` or ``21k`` (trained on more data).
        epochs: Epochs of the training, ``None`` where unknown.
        source: Where the figures were read.
    """

    name: str
    family: str
    params: float
    macs: float
    resolution_px: float
    top1: float
    recipe: str
    epochs: float | None
    source: str


@dataclass(frozen=True, slots=True)
class InSpaceResult:
    """A published ImageNet-1k result of an architecture of this package.

    Attributes:
        name: Name of the network and its training.
        line: Line of designs: ``v1``, ``v2``, ``v3 on v1``, ``v3 on v2`` or ``conv``.
        table: Table of a paper whose rows have their own level; empty for a level that compares
            with the 19 published models'.
        base: Published model that it varies, or a group of rows of one network.
        top1: Top-1 accuracy in percent.
        recipe: As in :class:`PublishedResult`.
        source: Where the figures were read.
        architecture: The architecture.
    """

    name: str
    line: str
    table: str
    base: str
    top1: float
    recipe: str
    source: str
    architecture: Architecture


@cache
def published_results() -> tuple[PublishedResult, ...]:
    """Return the published results of networks of all families.

    Raises:
        AccuracyError: The table is missing or damaged.
    """
    return read_published_results(benchmark_file(PUBLISHED_FILE))


def read_published_results(path: Path) -> tuple[PublishedResult, ...]:
    """Return the published results in a CSV file with the columns of the shipped one.

    Raises:
        AccuracyError: The file cannot be read, or a row is damaged.
    """
    return _read(path, _published_result)


@cache
def in_space_results() -> tuple[InSpaceResult, ...]:
    """Return the published results of architectures of this package.

    Raises:
        AccuracyError: The table is missing or damaged.
    """
    return _read(benchmark_file(IN_SPACE_FILE), _in_space_result)


def _published_result(row: Mapping[str, str]) -> PublishedResult:
    return PublishedResult(
        name=row["name"],
        family=row["family"],
        params=_positive(row, "params"),
        macs=_positive(row, "macs"),
        resolution_px=_positive(row, "resolution_px"),
        top1=_percent(row),
        recipe=row["recipe"],
        epochs=float(row["epochs"]) if row["epochs"] else None,
        source=row["source"],
    )


def _in_space_result(row: Mapping[str, str]) -> InSpaceResult:
    return InSpaceResult(
        name=row["name"],
        line=row["line"],
        table=row["table"],
        base=row["base"],
        top1=_percent(row),
        recipe=row["recipe"],
        source=row["source"],
        architecture=Architecture.from_json(row["architecture"], row["name"]),
    )


def _read(path: Path, parse: Callable[[Mapping[str, str]], T]) -> tuple[T, ...]:
    text = read_text(path, error=AccuracyError)
    found: list[T] = []
    try:
        for row in csv.DictReader(text.splitlines()):
            found.append(parse(row))
    except KeyError as error:
        raise AccuracyError(f"{path}: column {error} is missing") from None
    except (ValueError, TypeError, csv.Error, ArchitectureError) as error:
        reason = " ".join(str(error).split())[:200]
        raise AccuracyError(f"{path}: row {len(found) + 1} is damaged ({reason})") from None
    if not found:
        raise AccuracyError(f"{path}: holds no results")
    return tuple(found)


def _positive(row: Mapping[str, str], name: str) -> float:
    value = float(row[name])
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} = {row[name]} is not allowed; a number above 0")
    return value


def _percent(row: Mapping[str, str]) -> float:
    value = float(row["top1"])
    if not 0 < value < 100:
        raise ValueError(f"top1 = {row['top1']} is not allowed; percent between 0 and 100")
    return value
