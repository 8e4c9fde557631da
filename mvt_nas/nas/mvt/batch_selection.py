"""Greedy selection of a batch of points that improve a front together.

The first point has the largest expected hypervolume improvement, in closed form. What a further
point adds is its own expectation less its overlap with the points chosen before it, averaged over
joint samples of the models.

Source: Daulton, Balandat and Bakshy, "Differentiable expected hypervolume improvement for parallel
multi-objective Bayesian optimization", arXiv 2006.05078, sections 3.2 and 3.4 (joint samples,
sequential greedy choice).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mvt_nas._typing import BoolArray, FloatArray
from mvt_nas.nas.mvt.box_decomposition import BoxDecomposition

# Improvements below this fraction of the largest one are rounding errors.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class PosteriorSamples:
    """Joint samples of the costs of some points.

    Attributes:
        values: Sampled costs (less is better), (samples, n, objectives).
        allowed: True where a point meets all budgets, (samples, n).
    """

    values: FloatArray
    allowed: BoolArray


def select_batch(
    boxes: BoxDecomposition,
    expected: FloatArray,
    samples: PosteriorSamples,
    count: int,
    pending: Sequence[int] = (),
) -> list[int]:
    """Return the indices of up to ``count`` points that improve a front together, the best first.

    Args:
        boxes: Region that the front leaves undominated.
        expected: Expected improvement of each point by itself, (n,).
        samples: Joint samples of the same points.
        count: Number of points to choose; fewer where no other point improves anything.
        pending: Indices of points that are being evaluated already.
    """
    remaining = expected.astype(float)
    least = _ROUNDING * float(remaining.max(initial=0.0))
    # One region per sample: each sample puts the chosen points elsewhere.
    regions = [boxes] * len(samples.values)
    for index in pending:
        remaining -= _overlaps(regions, samples, index)
        remaining[index] = -np.inf
    chosen: list[int] = []
    while len(chosen) < min(count, len(remaining)):
        index = int(np.argmax(remaining))
        # "not >" also ends the loop on NaN.
        if not remaining[index] > least:
            break
        chosen.append(index)
        if len(chosen) < count:
            remaining -= _overlaps(regions, samples, index)
            remaining[index] = -np.inf
    return chosen


def _overlaps(regions: list[BoxDecomposition], samples: PosteriorSamples, index: int) -> FloatArray:
    """Return the mean loss (n,) of each point's improvement once point ``index`` is chosen.

    Updates ``regions`` in place: each loses what the point dominates in its sample.
    """
    total = np.zeros(samples.values.shape[1])
    for number, values in enumerate(samples.values):
        if not samples.allowed[number, index]:
            continue
        regions[number], dominated = regions[number].cut(values[index])
        if len(dominated):
            total += dominated.improvements(values) * samples.allowed[number]
    return total / len(samples.values)
