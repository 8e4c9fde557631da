"""A batch of points that improve a front together: one after another, each given sampled values of those before it.

The first choice has the largest expected hypervolume improvement, in closed form. What a further
point adds is its own expectation less its overlap with the points chosen before it, which is
averaged over joint samples of the models.

Source: Daulton, Balandat and Bakshy, "Differentiable expected hypervolume improvement for parallel
multi-objective Bayesian optimization", arXiv 2006.05078, sections 3.2 and 3.4 (joint samples,
sequential greedy choice).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import FloatArray
from mvt_nas.nas.mvt.box_decomposition import BoxDecomposition

_ROUNDING = 1e-12  # the share of the largest improvement below which one is none


@dataclass(frozen=True, slots=True)
class PosteriorSamples:
    """Joint samples of the values of some points.

    Attributes:
        values: (samples, n, objectives), less is better.
        allowed: (samples, n): whether the point meets all budgets.
    """

    values: FloatArray
    allowed: NDArray[np.bool_]


def select_batch(
    boxes: BoxDecomposition,
    expected: FloatArray,
    drawn: PosteriorSamples,
    count: int,
    first: Sequence[int] = (),
) -> list[int]:
    """Return the places of up to ``count`` points that improve a front together, the best first.

    Args:
        boxes: what the front leaves undominated.
        expected: improvement of each point by itself, (n,).
        drawn: samples of the same points.
        count: how many to choose; fewer where none is left that improves anything.
        first: places of points that are being evaluated already.
    """
    left = expected.astype(float)
    least = _ROUNDING * float(left.max(initial=0.0))
    regions = [boxes] * len(drawn.values)
    for place in first:
        left -= _overlaps(regions, drawn, place)
        left[place] = -np.inf
    chosen: list[int] = []
    while len(chosen) < min(count, len(left)):
        place = int(np.argmax(left))
        if not left[place] > least:
            break
        chosen.append(place)
        if len(chosen) < count:
            left -= _overlaps(regions, drawn, place)
            left[place] = -np.inf
    return chosen


def _overlaps(regions: list[BoxDecomposition], drawn: PosteriorSamples, place: int) -> FloatArray:
    """Return how much less each point improves once another is there, (n,); the regions lose what that one dominates."""
    total = np.zeros(drawn.values.shape[1])
    for number, values in enumerate(drawn.values):
        if not drawn.allowed[number, place]:
            continue
        regions[number], lost = regions[number].cut(values[place])
        if len(lost):
            total += lost.improvements(values) * drawn.allowed[number]
    return total / len(drawn.values)
