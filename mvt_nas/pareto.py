"""Pareto fronts of scored architectures: front, ranks, hypervolume, knee, and dominance.

A row dominates another when it is nowhere worse and somewhere better. Equal rows do not dominate
each other: all copies of a row get the same rank, and stay on the front together. A row that holds
a NaN or an infinity is a failed measurement, not a very good or very bad one: it is never on a
front, has rank -1, dominates nothing and adds no hypervolume. Fronts, ranks and hypervolumes are
computed by ``moocore``.

Source: nondominated sorting after Deb, Pratap, Agarwal and Meyarivan, "A fast and elitist
multiobjective genetic algorithm: NSGA-II" (2002), section III-A; hypervolume after Zitzler and
Thiele (1999); knee after Das, "On characterizing the 'knee' of the Pareto curve based on
normal-boundary intersection" (1999).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import moocore
import numpy as np
import numpy.typing as npt

from mvt_nas._typing import BoolArray, FloatArray
from mvt_nas.errors import MetricError
from mvt_nas.metrics.direction import Direction


def pareto_front(scores: npt.ArrayLike, directions: Sequence[str]) -> BoolArray:
    """Return a mask (n,) of the rows that no other row dominates, with all copies of such a row.

    Args:
        scores: Scores (n, m), one row per architecture and one column per objective.
        directions: ``"min"`` or ``"max"`` for each of the m columns.

    Raises:
        MetricError: The shape and the directions do not fit, or a direction is neither ``"min"``
            nor ``"max"``.
    """
    costs = _costs(scores, directions)
    finite = np.isfinite(costs).all(axis=1)
    front = np.zeros(len(costs), dtype=np.bool_)
    if finite.any():
        front[finite] = moocore.is_nondominated(costs[finite], keep_weakly=True)
    return front


def pareto_ranks(scores: npt.ArrayLike, directions: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the rank (n,) of each row by nondominated sorting.

    The front has rank 0, the front of the rows without it rank 1, and so on; rows that are not
    finite have rank -1.

    Args:
        scores: Scores (n, m), one row per architecture and one column per objective.
        directions: ``"min"`` or ``"max"`` for each of the m columns.

    Raises:
        MetricError: As for :func:`pareto_front`.
    """
    costs = _costs(scores, directions)
    finite = np.isfinite(costs).all(axis=1)
    ranks = np.full(len(costs), -1, dtype=np.int64)
    if finite.any():
        ranks[finite] = moocore.pareto_rank(costs[finite])
    return ranks


def hypervolume(
    scores: npt.ArrayLike, directions: Sequence[str], reference: npt.ArrayLike
) -> float:
    """Return the hypervolume that the rows dominate up to the reference point.

    Its unit is the product of the units of the objectives. The value is exact. A row that is not
    better than the reference in every objective adds nothing; no rows have volume 0.0.

    Args:
        scores: Scores (n, m), one row per architecture and one column per objective.
        directions: ``"min"`` or ``"max"`` for each of the m columns.
        reference: A bad point (m,) in the same units and directions as the scores.

    Raises:
        MetricError: As for :func:`pareto_front`, or the reference has not m finite values.
    """
    costs = _costs(scores, directions)
    point = np.asarray(reference, dtype=np.float64)
    if point.shape != (len(directions),) or not np.isfinite(point).all():
        raise MetricError(
            f"reference point {point.tolist()}: {len(directions)} finite values are needed, one for"
            " each objective"
        )
    costs = costs[np.isfinite(costs).all(axis=1)]
    if not len(costs):
        return 0.0
    return float(moocore.hypervolume(costs, ref=point * cost_signs(directions)))


def reference_point(
    scores: npt.ArrayLike, directions: Sequence[str], margin: float = 0.0
) -> FloatArray:
    """Return the worst finite value (m,) of each column, moved outward by a share of its range.

    With a margin of 0 the worst rows are on the border and add no hypervolume; a column with one
    single value stays on it at any margin.

    Args:
        scores: Scores (n, m), one row per architecture and one column per objective.
        directions: ``"min"`` or ``"max"`` for each of the m columns.
        margin: Share of the range of each column, 0 or more.

    Raises:
        MetricError: As for :func:`pareto_front`, the margin is negative, or a column has no finite
            value.
    """
    costs = _costs(scores, directions)
    if not (math.isfinite(margin) and margin >= 0.0):
        raise MetricError(
            f"margin {margin}: a reference point moves outward by a finite share of the range, 0 or"
            " more"
        )
    finite = np.isfinite(costs)
    if not finite.any(axis=0).all():
        column = int(np.flatnonzero(~finite.any(axis=0))[0])
        raise MetricError(
            f"objective {column} of {len(directions)}: a reference point needs at least one finite"
            " value"
        )
    worst = costs.max(axis=0, where=finite, initial=-np.inf)
    best = costs.min(axis=0, where=finite, initial=np.inf)
    point: FloatArray = (worst + margin * (worst - best)) * cost_signs(directions)
    return point


def knee(scores: npt.ArrayLike, directions: Sequence[str]) -> int | None:
    """Return the index (into all rows) of the knee of the front, or None if no row is finite.

    The front is scaled to [0, 1] in every objective, 1 being best. The knee is the row farthest
    from the hyperplane through the extreme points (the row best in each objective, ties broken by
    the sum of all), on the side of the ideal point. Where this says nothing, the row nearest to the
    ideal point is returned: with fewer than two objectives that vary along the front, when the
    extreme points span no hyperplane that falls in every objective, and when no row lies beyond it.
    Equal candidates: the first.

    Args:
        scores: Scores (n, m), one row per architecture and one column per objective.
        directions: ``"min"`` or ``"max"`` for each of the m columns.

    Raises:
        MetricError: As for :func:`pareto_front`.

    Source: Das 1999, normal-boundary intersection: the point of the front with the largest bulge
        over the hull of the extreme points.
    """
    rows = np.flatnonzero(pareto_front(scores, directions))
    if len(rows) == 0:
        return None
    merits = _scaled_merits(_costs(scores, directions)[rows])
    bulge = _bulge(merits)
    # Distances are rounded, so that rows that differ in the last digits only are a tie on every
    # machine.
    if bulge is not None and bulge.max() > 1e-9:
        return int(rows[np.round(bulge, 9).argmax()])
    to_ideal = np.linalg.norm(1.0 - merits, axis=1)
    return int(rows[np.round(to_ideal, 9).argmin()])


def cost_signs(directions: Sequence[str]) -> FloatArray:
    """Return the factors (m,) that turn scores into costs, of which less is better.

    Args:
        directions: ``"min"`` or ``"max"`` for each of the m objectives.

    Raises:
        MetricError: A direction is neither.
    """
    for direction in directions:
        if direction not in tuple(Direction):
            raise MetricError(f"direction {direction!r}: an objective goes 'min' or 'max'")
    return np.array([Direction(direction).sign for direction in directions], dtype=np.float64)


def _costs(scores: npt.ArrayLike, directions: Sequence[str]) -> FloatArray:
    """Return the scores (n, m) as costs: less is better in every column."""
    signs = cost_signs(directions)
    values = np.asarray(scores, dtype=np.float64)
    if values.size == 0 and values.ndim < 2:
        values = values.reshape(0, len(signs))
    if values.ndim != 2 or values.shape[1] != len(signs) or len(signs) == 0:
        raise MetricError(
            f"scores of shape {values.shape} with {len(signs)} directions: (n, m) scores and m"
            " directions are needed"
        )
    return values * signs


def _scaled_merits(costs: FloatArray) -> FloatArray:
    """Return the columns that vary, scaled to [0, 1] with 1 for the least cost."""
    span = np.ptp(costs, axis=0)
    varying = span > 0.0
    merits: FloatArray = (costs.max(axis=0)[varying] - costs[:, varying]) / span[varying]
    return merits


def _bulge(merits: FloatArray) -> FloatArray | None:
    """Return the signed distance (n,) of each row beyond the hyperplane of the extreme points.

    ``None`` if the extreme points do not span one that falls in every objective.

    Args:
        merits: Scaled merits (n, m), 1 being the best in each column.
    """
    count = merits.shape[1]
    if count < 2:
        return None
    sums = merits.sum(axis=1)
    # Of the rows best in a column the one with the largest sum: lexsort sorts by its last key
    # first, in ascending order.
    extreme_rows = [np.lexsort((-sums, -merits[:, column]))[0] for column in range(count)]
    extremes = merits[extreme_rows]
    if np.linalg.matrix_rank(extremes) < count:
        return None
    # The hyperplane is merits @ normal = 1, on which every extreme point is.
    normal = np.linalg.solve(extremes, np.ones(count))
    # A normal that points down in an objective would call a row nearer for being better there.
    if normal.min() < 0.0:
        return None
    distance: FloatArray = (merits @ normal - 1.0) / np.linalg.norm(normal)
    return distance


def dominating_points(own: FloatArray, costs: FloatArray) -> BoolArray:
    """Return a mask (n,) of the points that dominate one: nowhere worse and somewhere better.

    Args:
        own: Costs (m,) of the point that may be dominated.
        costs: Costs (n, m) of the others.
    """
    gains = own - costs
    return np.asarray((gains >= 0).all(axis=1) & (gains > 0).any(axis=1))


def most_evenly(own: FloatArray, costs: FloatArray, spans: FloatArray) -> int | None:
    """Return the index of the dominating point whose smallest gain is largest, ``None`` if none.

    Args:
        own: Costs (m,) of the point that may be dominated.
        costs: Costs (n, m) of the others.
        spans: Unit (m,) in which the gain in each objective is measured.
    """
    better = dominating_points(own, costs)
    if not better.any():
        return None
    smallest_gains = ((own - costs) / spans).min(axis=1)
    return int(np.argmax(np.where(better, smallest_gains, -np.inf)))


def evenly_spaced_subset(n: int, most: int, kept: int | None = None) -> list[int]:
    """Return at most ``most`` of the indices below ``n``, evenly spaced and in order.

    Both ends and ``kept`` are among them where there is room.
    """
    if n <= most:
        return list(range(n))
    if most == 1:
        return [0 if kept is None else kept]
    chosen = {round(i * (n - 1) / (most - 1)) for i in range(most)}
    if kept is not None and kept not in chosen:
        # It replaces its nearest neighbour, but neither end unless there is nothing else.
        inner = chosen - {0, n - 1} or chosen
        chosen.remove(min(inner, key=lambda index: (abs(index - kept), index)))
        chosen.add(kept)
    return sorted(chosen)
