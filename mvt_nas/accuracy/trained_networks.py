"""Trained networks, each once, for fitting regressions and validating proxies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mvt_nas._typing import FloatArray, IndexArray
from mvt_nas.space.architecture import Architecture


@dataclass(frozen=True, slots=True)
class DistinctNetworks:
    """Trained networks, each once.

    Attributes:
        architectures: Architectures as trained.
        subsets: Subset of each network, see :mod:`mvt_nas.accuracy.design`.
        accuracy: Accuracy averaged over the seeds of a network, in percent, (n,).
        single: Accuracy of the first seed, in percent, (n,).
        seed_sd: Standard deviation of the accuracy over seeds, in percentage points, pooled over
            the networks trained with several seeds; 0 if there are none.
        num_classes: Number of outputs of the classifiers.
    """

    architectures: tuple[Architecture, ...]
    subsets: tuple[str, ...]
    accuracy: FloatArray
    single: FloatArray
    seed_sd: float
    num_classes: int

    def __len__(self) -> int:
        return len(self.architectures)

    def in_subset(self, name: str) -> IndexArray:
        """Return the indices of the networks of a subset."""
        return np.flatnonzero(np.array(self.subsets) == name)


def pooled_sd(groups: Sequence[Sequence[float]]) -> float:
    """Return the standard deviation within groups, pooled over groups of several values.

    It is 0 if no group has several values.
    """
    several = [group for group in groups if len(group) > 1]
    freedom = sum(len(group) - 1 for group in several)
    if not freedom:
        return 0.0
    # The sum of squares within each group is its variance times its degrees of freedom.
    squares = sum(float(np.var(group, ddof=1)) * (len(group) - 1) for group in several)
    return math.sqrt(squares / freedom)
