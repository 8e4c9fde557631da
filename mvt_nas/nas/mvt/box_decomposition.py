"""What a set of points leaves undominated, in boxes: exact hypervolume improvements of many points at once, expected ones included.

All objectives are minimised. The region below the reference point that no point dominates is kept
as disjoint boxes; a new point cuts off the part of each box that it dominates, which is a box
again, and what is left of the old one are at most as many boxes as there are objectives. The
improvement of a point is the sum over the boxes of what it dominates of them.

Source: Emmerich, Giannakoglou and Naujoks, "Single- and multiobjective evolutionary optimization
assisted by Gaussian random field metamodels" (2006), for the expectation over the boxes; Daulton,
Balandat and Bakshy, arXiv 2006.05078, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from mvt_nas._typing import FloatArray

_CELLS = 2_000_000  # of intermediate matrices


@dataclass(frozen=True, slots=True)
class BoxDecomposition:
    """Disjoint boxes.

    Attributes:
        lower: (boxes, objectives); minus infinity where a box is unbounded.
        upper: (boxes, objectives).
    """

    lower: FloatArray
    upper: FloatArray

    def __len__(self) -> int:
        return len(self.lower)

    def cut(self, point: FloatArray) -> tuple[BoxDecomposition, BoxDecomposition]:
        """Return the boxes without what a point, (objectives,), dominates, and the boxes of just that."""
        corner = np.maximum(self.lower, point)
        hit = (corner < self.upper).all(axis=1)
        if not hit.any():
            return self, BoxDecomposition(self.lower[:0], self.upper[:0])
        corner, lower, upper = corner[hit], self.lower[hit].copy(), self.upper[hit]
        lowers, uppers = [self.lower[~hit]], [self.upper[~hit]]
        for axis in range(len(point)):
            below = upper.copy()
            below[:, axis] = corner[:, axis]
            kept = below[:, axis] > lower[:, axis]
            lowers.append(lower[kept])
            uppers.append(below[kept])
            lower[:, axis] = corner[:, axis]
        return BoxDecomposition(np.concatenate(lowers), np.concatenate(uppers)), BoxDecomposition(
            corner, upper
        )

    def improvements(self, points: FloatArray) -> FloatArray:
        """Return the volume (n,) that each point, (n, objectives), dominates of the boxes."""
        result = np.zeros(len(points))
        if not len(self):
            return result
        step = max(_CELLS // len(self), 1)
        for start in range(0, len(points), step):
            part = points[start : start + step]
            volume = np.ones((len(part), len(self)))
            for axis in range(points.shape[1]):
                side = self.upper[:, axis] - np.maximum(self.lower[:, axis], part[:, axis, None])
                volume *= np.maximum(side, 0.0, out=side)
            result[start : start + step] = volume.sum(axis=1)
        return result


def decompose_undominated(
    points: FloatArray, reference: FloatArray, rng: np.random.Generator
) -> BoxDecomposition:
    """Return what the points, (n, objectives), leave undominated below the reference point, (objectives,)."""
    boxes = BoxDecomposition(
        np.full((1, len(reference)), -np.inf), np.asarray(reference, dtype=float)[None].copy()
    )
    for place in rng.permutation(len(points)):  # in random order there are fewest boxes
        boxes = boxes.cut(points[place])[0]
    return boxes


@dataclass(frozen=True, slots=True)
class Posterior:
    """What is believed of the values of some points: exact in some objectives, independent normal in others.

    Attributes:
        mean: (n, objectives).
        deviation: standard deviations (n, objectives); 0 where the value is exact.
        floor: (objectives,): values below it count for nothing; minus infinity where all count.
    """

    mean: FloatArray
    deviation: FloatArray
    floor: FloatArray

    def take(self, places: NDArray[np.intp] | slice) -> Posterior:
        """Return those of some points."""
        return Posterior(self.mean[places], self.deviation[places], self.floor)


def expected_improvements(boxes: BoxDecomposition, beliefs: Posterior) -> FloatArray:
    """Return the expectation (n,) of :meth:`Boxes.improvements`, in closed form."""
    n, objectives = beliefs.mean.shape
    result = np.zeros(n)
    if not len(boxes):
        return result
    step = max(_CELLS // len(boxes), 1)
    for start in range(0, n, step):
        part = beliefs.take(slice(start, start + step))
        volume = np.ones((len(part.mean), len(boxes)))
        for axis in range(objectives):
            volume *= _sides(boxes, part, axis)
        result[start : start + step] = volume.sum(axis=1)
    return result


def _sides(boxes: BoxDecomposition, beliefs: Posterior, axis: int) -> FloatArray:
    """Return the expected extent (n, boxes) along an axis of what points dominate of boxes."""
    lower, upper = boxes.lower[:, axis], boxes.upper[:, axis]
    if not beliefs.deviation[:, axis].any() and np.isneginf(beliefs.floor[axis]):
        side = upper - np.maximum(lower, beliefs.mean[:, axis, None])
        return np.maximum(side, 0.0, out=side)
    ends, places = np.unique(np.concatenate([lower, upper]), return_inverse=True)
    below = _expected_below(ends, beliefs, axis)
    return below[:, places[len(lower) :]] - below[:, places[: len(lower)]]


def _expected_below(ends: FloatArray, beliefs: Posterior, axis: int) -> FloatArray:
    """Return the expectations (n, ends) of how far a value lies below each end, not counting values below the floor."""
    mean, deviation, floor = (
        beliefs.mean[:, axis, None],
        np.maximum(beliefs.deviation[:, axis, None], 1e-12),
        beliefs.floor[axis],
    )
    finite = np.isfinite(ends)
    below = np.zeros((len(mean), len(ends)))
    below[:, finite] = _gain((ends[finite] - mean) / deviation) * deviation
    if np.isneginf(floor):
        return below
    standard = (floor - mean) / deviation
    lost = (ends[finite] - floor) * ndtr(standard) + _gain(standard) * deviation
    below[:, finite] = np.where(ends[finite] >= floor, below[:, finite] - lost, 0.0)
    return below


def _gain(standard: FloatArray) -> FloatArray:
    """Return the expectation of ``max(z - Z, 0)`` of a standard normal ``Z``."""
    density = np.exp(-0.5 * standard**2) / np.sqrt(2 * np.pi)
    return np.asarray(np.maximum(standard * ndtr(standard) + density, 0.0))
