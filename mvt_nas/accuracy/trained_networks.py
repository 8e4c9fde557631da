"""Trained networks, each once, as regressions and scores are judged by them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvt_nas.space.architecture import Architecture


@dataclass(frozen=True, slots=True)
class DistinctNetworks:
    """Trained networks, each once.

    Attributes:
        architectures: as they were trained.
        panels: of each.
        accuracy: mean over its seeds, in percent, (n,).
        single: that of its first seed, (n,).
        seed_sd: standard deviation of the accuracy over seeds, pooled over the networks that were
            trained several times; 0 without any.
        num_classes: outputs of the classifiers.
    """

    architectures: tuple[Architecture, ...]
    panels: tuple[str, ...]
    accuracy: NDArray[np.float64]
    single: NDArray[np.float64]
    seed_sd: float
    num_classes: int

    def __len__(self) -> int:
        return len(self.architectures)

    def in_panel(self, name: str) -> NDArray[np.intp]:
        """Return the indices of the networks of a panel."""
        return np.flatnonzero(np.array(self.panels) == name)


def pooled_sd(groups: Sequence[Sequence[float]]) -> float:
    """Return the standard deviation within groups, pooled over those of several values; 0 without any."""
    several = [group for group in groups if len(group) > 1]
    freedom = sum(len(group) - 1 for group in several)
    if not freedom:
        return 0.0
    return math.sqrt(
        sum(float(np.var(group, ddof=1)) * (len(group) - 1) for group in several) / freedom
    )
