"""Pareto fronts of scored architectures: front, ranks, hypervolume and knee, computed by ``moocore``.

A row dominates another when it is nowhere worse and somewhere better. Equal rows do not dominate
each other: all copies of a row get the same rank, and stay on the front together. A row that holds
a NaN or an infinity is a failed measurement, not a very good or very bad one: it is never on a
front, has rank -1, dominates nothing and adds no hypervolume.

Source: nondominated sorting after Deb, Pratap, Agarwal and Meyarivan, "A fast and elitist
multiobjective genetic algorithm: NSGA-II" (2002), section III-A; hypervolume after Zitzler and
Thiele (1999); knee after Das, "On characterizing the 'knee' of the Pareto curve based on
normal-boundary intersection" (1999).

Which points dominate another, and which of them does so most evenly. Points are costs: less is
better in each.

Choosing a few from many that stand in order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from mvt_nas.errors import MetricError

FloatArray: TypeAlias = npt.NDArray[np.float64]

SIGN_AS_COST = {"min": 1.0, "max": -1.0}


def pareto_front(scores: npt.ArrayLike, directions: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return a mask (n,) of the rows that no other row dominates; copies of such a row are all in it.

    Args:
        scores: (n, m), one row per architecture and one column per objective.
        directions: ``"min"`` or ``"max"`` for each of the m columns.

    Raises:
        MetricError: the shape and the directions do not fit, or a direction is neither ``"min"``
            nor ``"max"``.
    """
    import moocore  # here: its import takes longer than most calls

    costs = _costs(scores, directions)
    finite = np.isfinite(costs).all(axis=1)
    front = np.zeros(len(costs), dtype=np.bool_)
    if finite.any():
        front[finite] = moocore.is_nondominated(costs[finite], keep_weakly=True)
    return front


def pareto_ranks(scores: npt.ArrayLike, directions: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the rank (n,) of each row: 0 on the front, 1 on the front of what is left without it, and so on; -1 if not finite.

    Args:
        scores: (n, m), one row per architecture and one column per objective.
        directions: ``"min"`` or ``"max"`` for each of the m columns.

    Raises:
        MetricError: as for :func:`pareto_front`.
    """
    import moocore

    costs = _costs(scores, directions)
    finite = np.isfinite(costs).all(axis=1)
    ranks = np.full(len(costs), -1, dtype=np.int64)
    if finite.any():
        ranks[finite] = moocore.pareto_rank(costs[finite])
    return ranks


def hypervolume(
    scores: npt.ArrayLike, directions: Sequence[str], reference: npt.ArrayLike
) -> float:
    """Return the volume that the rows dominate up to the reference point, in the product of the units of the objectives.

    The value is exact. A row that is not better than the reference in every objective adds nothing;
    no rows have volume 0.0.

    Args:
        scores: (n, m), one row per architecture and one column per objective.
        directions: ``"min"`` or ``"max"`` for each of the m columns.
        reference: (m,), a bad point in the same units and directions as the scores.

    Raises:
        MetricError: as for :func:`pareto_front`, or the reference has not m finite values.
    """
    import moocore

    costs = _costs(scores, directions)
    point = np.asarray(reference, dtype=np.float64)
    if point.shape != (len(directions),) or not np.isfinite(point).all():
        raise MetricError(
            f"reference point {point.tolist()}: {len(directions)} finite values are needed, one for"
            " each objective"
        )
    costs = costs[np.isfinite(costs).all(axis=1)]
    return float(moocore.hypervolume(costs, ref=point * _signs(directions))) if len(costs) else 0.0


def reference_point(
    scores: npt.ArrayLike, directions: Sequence[str], margin: float = 0.0
) -> FloatArray:
    """Return the worst finite value (m,) of each column, moved outward by ``margin`` times the range of the column.

    With a margin of 0 the worst rows lie on the border and add no hypervolume; a column with one
    single value stays on it at any margin.

    Args:
        scores: (n, m), one row per architecture and one column per objective.
        directions: ``"min"`` or ``"max"`` for each of the m columns.
        margin: share of the range of each column, 0 or more.

    Raises:
        MetricError: as for :func:`pareto_front`, the margin is negative, or a column has no finite
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
    point: FloatArray = (worst + margin * (worst - best)) * _signs(directions)
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
        scores: (n, m), one row per architecture and one column per objective.
        directions: ``"min"`` or ``"max"`` for each of the m columns.

    Raises:
        MetricError: as for :func:`pareto_front`.

    Source: Das 1999, normal-boundary intersection: the point of the front with the largest bulge
        over the hull of the extreme points.
    """
    rows = np.flatnonzero(pareto_front(scores, directions))
    if len(rows) == 0:
        return None
    merits = _scaled_merits(_costs(scores, directions)[rows])
    bulge = _bulge(merits)
    if bulge is not None and bulge.max() > 1e-9:
        # Rounded, so that rows at the same distance but for the last digits are a tie wherever this
        # runs.
        return int(rows[np.round(bulge, 9).argmax()])
    return int(rows[np.round(np.linalg.norm(1.0 - merits, axis=1), 9).argmin()])


def _signs(directions: Sequence[str]) -> FloatArray:
    for direction in directions:
        if direction not in SIGN_AS_COST:
            raise MetricError(f"direction {direction!r}: an objective goes 'min' or 'max'")
    return np.array([SIGN_AS_COST[direction] for direction in directions], dtype=np.float64)


def _costs(scores: npt.ArrayLike, directions: Sequence[str]) -> FloatArray:
    """Return the scores (n, m) with signs such that less is better in every column."""
    signs = _signs(directions)
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
    """Return the signed distance (n,) of each row beyond the hyperplane through the extreme points, or None if that is degenerate."""
    count = merits.shape[1]
    if count < 2:
        return None
    sums = merits.sum(axis=1)
    extremes = merits[[np.lexsort((-sums, -merits[:, column]))[0] for column in range(count)]]
    if np.linalg.matrix_rank(extremes) < count:
        return None
    normal = np.linalg.solve(extremes, np.ones(count))
    # A normal that points downward in one objective would call a row nearer for being better there.
    if normal.min() < 0.0:
        return None
    distance: FloatArray = (merits @ normal - 1.0) / np.linalg.norm(normal)
    return distance


Costs = NDArray[np.float64]


def dominating_points(own: Costs, costs: Costs) -> NDArray[np.bool_]:
    """Return which of several points, (n, objectives), are nowhere worse than ``own``, (objectives,), and somewhere better."""
    gains = own - costs
    return np.asarray((gains >= 0).all(axis=1) & (gains > 0).any(axis=1))


def most_evenly(own: Costs, costs: Costs, spans: Costs) -> int | None:
    """Return the place of the dominating point whose smallest gain is the largest; ``None`` where none dominates.

    Args:
        own: the point that is dominated, (objectives,).
        costs: the others, (n, objectives).
        spans: what a gain is measured by, (objectives,).
    """
    better = dominating_points(own, costs)
    return (
        int(np.argmax(np.where(better, ((own - costs) / spans).min(axis=1), -np.inf)))
        if better.any()
        else None
    )


def evenly_spaced_subset(n: int, most: int, kept: int | None = None) -> list[int]:
    """Return at most ``most`` of the indices below ``n``, evenly spread, both ends and ``kept`` among them where there is room."""
    if n <= most:
        return list(range(n))
    if most == 1:
        return [0 if kept is None else kept]
    chosen = {round(i * (n - 1) / (most - 1)) for i in range(most)}
    if kept is not None and kept not in chosen:
        inner = chosen - {0, n - 1} or chosen
        chosen.remove(min(inner, key=lambda index: (abs(index - kept), index)))
        chosen.add(kept)
    return sorted(chosen)
