"""The published results that the model is fitted to, as the model sees them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.accuracy.imagenet.model import NetworkSet, is_strong, network_set
from mvt_nas.accuracy.imagenet.published_results import in_space_results
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published, published_names

MODEL, FINETUNED, REFERENCE, ABLATION, CONVOLUTIONAL = (
    "published model",
    "384 px",
    "reference",
    "ablation",
    "MobileNetV2",
)
"""Kinds of observations."""

_CONV_LINE = "conv"


@dataclass(frozen=True, slots=True)
class PublishedObservations:
    """Published results of architectures.

    Attributes:
        names: Names of the results.
        kinds: Kind of each.
        bases: Published model that each varies, or its own name for a published model.
        tables: Table with a level of its own; empty for none.
        top1: Accuracies in percent, (n,).
        networks: The networks.
        architectures: The architectures.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    bases: tuple[str, ...]
    tables: tuple[str, ...]
    top1: FloatArray
    networks: NetworkSet
    architectures: tuple[Architecture, ...]

    def __len__(self) -> int:
        return len(self.names)

    def of_kind(self, *kinds: str) -> list[int]:
        """Return the indices of the observations of some kinds."""
        return [index for index, kind in enumerate(self.kinds) if kind in kinds]

    def without(self, indices: Iterable[int]) -> list[int]:
        """Return the indices of all other observations."""
        left_out = set(indices)
        return [index for index in range(len(self)) if index not in left_out]


def line_of(name: str) -> str:
    """Return the line of designs of a published model."""
    if name.startswith("mobilevit_"):
        return "v1"
    if name.startswith("mobilevitv2_"):
        return "v2"
    # Models named by a width multiplier are v3 on v2, which trained with strong augmentation.
    return "v3 on v2" if name[len("mobilevitv3_")].isdigit() else "v3 on v1"


def family_of(name: str) -> str:
    """Return the paper's version of a published model: ``v1``, ``v2`` or ``v3``."""
    return line_of(name)[:2]


@cache
def observations() -> PublishedObservations:
    """Return all observations: the 19 models first, then the results of ``imagenet_in_space.csv``.

    Raises:
        AccuracyError: A shipped table is missing or damaged.
    """
    models = [published(name) for name in published_names()]
    others = in_space_results()
    by_name = {model.name: model.architecture.key for model in models}
    names = [model.name for model in models] + [result.name for result in others]
    architectures = [
        *(model.architecture for model in models),
        *(result.architecture for result in others),
    ]
    lines = [line_of(model.name) for model in models] + [result.line for result in others]
    strong = [float(line in ("v2", "v3 on v2")) for line in lines[: len(models)]]
    kinds = [MODEL] * len(models)
    networks = [model.architecture.key for model in models]
    for result in others:
        strong.append(is_strong(result.recipe))
        kinds.append(_kind(result.line, result.table, result.name))
        # Finetuning at 384 px and the reference of a table are trainings of the base's network.
        same = kinds[-1] in (FINETUNED, REFERENCE)
        networks.append(by_name[result.base] if same else result.name)
    tables = [""] * len(models) + [result.table for result in others]
    return PublishedObservations(
        names=tuple(names),
        kinds=tuple(kinds),
        bases=(*(model.name for model in models), *(result.base for result in others)),
        tables=tuple(tables),
        top1=np.array([model.imagenet_top1 for model in models] + [one.top1 for one in others]),
        networks=network_set(
            architectures, strong=strong, line=lines, network=networks, table=tables
        ),
        architectures=tuple(architectures),
    )


def _kind(line: str, table: str, name: str) -> str:
    if line == _CONV_LINE:
        return CONVOLUTIONAL
    if not table:
        return FINETUNED
    return REFERENCE if name.endswith(f" in {table}") else ABLATION
