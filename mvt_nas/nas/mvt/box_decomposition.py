"""Disjoint boxes of the region that a front leaves undominated.

They give the exact hypervolume improvements of many points at once, expected ones included.

All objectives are minimised. The region below the reference point that no point dominates is kept
as disjoint boxes. A new point cuts off the part of each box that it dominates, which is a box
again; the remainder of the old box splits into at most as many boxes as there are objectives. The
hypervolume improvement of a point is the sum over all boxes of the volume that it dominates in
them.

Source: Emmerich, Giannakoglou and Naujoks, "Single- and multiobjective evolutionary optimization
assisted by Gaussian random field metamodels" (2006), for the expectation over the boxes; Daulton,
Balandat and Bakshy, arXiv 2006.05078, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from mvt_nas._typing import FloatArray, IndexArray

# Most elements of an intermediate matrix (points x boxes); more points are processed in chunks.
_MAX_CELLS = 2_000_000


@dataclass(frozen=True, slots=True)
class BoxDecomposition:
    """Disjoint boxes.

    Attributes:
        lower: Lower corners, (boxes, objectives); minus infinity where a box is unbounded.
        upper: Upper corners, (boxes, objectives).
    """

    lower: FloatArray
    upper: FloatArray

    def __len__(self) -> int:
        return len(self.lower)

    def cut(self, point: FloatArray) -> tuple[BoxDecomposition, BoxDecomposition]:
        """Split the boxes by a point, (objectives,).

        Returns:
            The boxes without the region that the point dominates, and the boxes of that region.
        """
        # The point dominates the part of a box between this corner and the upper corner.
        corner = np.maximum(self.lower, point)
        hit = (corner < self.upper).all(axis=1)
        if not hit.any():
            return self, BoxDecomposition(self.lower[:0], self.upper[:0])
        corner = corner[hit]
        lower = self.lower[hit].copy()
        upper = self.upper[hit]
        lowers = [self.lower[~hit]]
        uppers = [self.upper[~hit]]
        # Slice the undominated remainder off one axis at a time: the slab below the corner along
        # this axis becomes a box, and the rest (from the corner upwards) is split along the next
        # axes. After the last axis the rest is exactly the dominated box [corner, upper].
        for axis in range(len(point)):
            slab_upper = upper.copy()
            slab_upper[:, axis] = corner[:, axis]
            nonempty = slab_upper[:, axis] > lower[:, axis]
            lowers.append(lower[nonempty])
            uppers.append(slab_upper[nonempty])
            lower[:, axis] = corner[:, axis]
        remaining = BoxDecomposition(np.concatenate(lowers), np.concatenate(uppers))
        return remaining, BoxDecomposition(corner, upper)

    def improvements(self, points: FloatArray) -> FloatArray:
        """Return the volume (n,) that each point, (n, objectives), dominates in the boxes."""
        result = np.zeros(len(points))
        if not len(self):
            return result
        chunk_size = max(_MAX_CELLS // len(self), 1)
        for start in range(0, len(points), chunk_size):
            chunk = points[start : start + chunk_size]
            volume = np.ones((len(chunk), len(self)))
            for axis in range(points.shape[1]):
                side = self.upper[:, axis] - np.maximum(self.lower[:, axis], chunk[:, axis, None])
                volume *= np.maximum(side, 0.0, out=side)
            result[start : start + chunk_size] = volume.sum(axis=1)
        return result


def decompose_undominated(
    points: FloatArray, reference: FloatArray, rng: np.random.Generator
) -> BoxDecomposition:
    """Return the undominated region of points, (n, objectives), below a reference point."""
    boxes = BoxDecomposition(
        np.full((1, len(reference)), -np.inf), np.asarray(reference, dtype=float)[None].copy()
    )
    # A random order of the points gives the fewest boxes.
    for index in rng.permutation(len(points)):
        boxes = boxes.cut(points[index])[0]
    return boxes


@dataclass(frozen=True, slots=True)
class Posterior:
    """Marginal posterior of the costs of some points.

    Costs are exact in some objectives and independent normal variables in the others.

    Attributes:
        mean: Means, (n, objectives).
        deviation: Standard deviations, (n, objectives); 0 where the value is exact.
        floor: Lower bounds, (objectives,): values below them improve nothing; minus infinity where
            there is no bound.
    """

    mean: FloatArray
    deviation: FloatArray
    floor: FloatArray

    def take(self, indices: IndexArray | slice) -> Posterior:
        """Return the posterior of some of the points."""
        return Posterior(self.mean[indices], self.deviation[indices], self.floor)


def expected_improvements(boxes: BoxDecomposition, posterior: Posterior) -> FloatArray:
    """Return the expectation (n,) of :meth:`BoxDecomposition.improvements`, in closed form.

    The objectives are independent, so the expected volume of a box is the product over the axes of
    the expected dominated extents.
    """
    n, objectives = posterior.mean.shape
    result = np.zeros(n)
    if not len(boxes):
        return result
    chunk_size = max(_MAX_CELLS // len(boxes), 1)
    for start in range(0, n, chunk_size):
        chunk = posterior.take(slice(start, start + chunk_size))
        volume = np.ones((len(chunk.mean), len(boxes)))
        for axis in range(objectives):
            volume *= _expected_extents(boxes, chunk, axis)
        result[start : start + chunk_size] = volume.sum(axis=1)
    return result


def _expected_extents(boxes: BoxDecomposition, posterior: Posterior, axis: int) -> FloatArray:
    """Return the expected extents (n, boxes) along an axis that points dominate in boxes."""
    lower = boxes.lower[:, axis]
    upper = boxes.upper[:, axis]
    if not posterior.deviation[:, axis].any() and np.isneginf(posterior.floor[axis]):
        side = upper - np.maximum(lower, posterior.mean[:, axis, None])
        return np.maximum(side, 0.0, out=side)
    # Many boxes share their ends: evaluate each distinct end once, then gather. The dominated
    # extent of [lower, upper] is (upper - Y)+ - (lower - Y)+.
    ends, inverse = np.unique(np.concatenate([lower, upper]), return_inverse=True)
    below = _expected_distances_below(ends, posterior, axis)
    lower_indices = inverse[: len(lower)]
    upper_indices = inverse[len(lower) :]
    return below[:, upper_indices] - below[:, lower_indices]


def _expected_distances_below(ends: FloatArray, posterior: Posterior, axis: int) -> FloatArray:
    """Return the expectations (n, ends) of ``max(end - Y, 0)``, over values Y above the floor."""
    mean = posterior.mean[:, axis, None]
    deviation = np.maximum(posterior.deviation[:, axis, None], 1e-12)
    floor = posterior.floor[axis]
    # Nothing is below an end at minus infinity: those columns stay zero.
    finite = np.isfinite(ends)
    below = np.zeros((len(mean), len(ends)))
    below[:, finite] = _expected_gain((ends[finite] - mean) / deviation) * deviation
    if np.isneginf(floor):
        return below
    # Subtract the part of the expectation that comes from values below the floor:
    # E[(end - Y) 1(Y < floor)] = (end - floor) P(Y < floor) + E[max(floor - Y, 0)].
    standard_floor = (floor - mean) / deviation
    lost = (ends[finite] - floor) * ndtr(standard_floor)
    lost = lost + _expected_gain(standard_floor) * deviation
    below[:, finite] = np.where(ends[finite] >= floor, below[:, finite] - lost, 0.0)
    return below


def _expected_gain(z: FloatArray) -> FloatArray:
    """Return the expectation of ``max(z - Z, 0)`` for a standard normal ``Z``."""
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    return np.asarray(np.maximum(z * ndtr(z) + density, 0.0))
