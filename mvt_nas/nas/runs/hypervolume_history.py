"""Hypervolume over the trials of a search, relative to the bounding box of all candidates.

The run's own reference point is suited to compare runs, not to detect whether a front still grows:
a metric may declare a bound far below all values, and then all growth is small compared with the
box. So a side of the box begins at the best value of any candidate and ends a tenth of the range
beyond the worst, or at the run's reference point if that is nearer. A side of length zero counts as
dominated.

Source: hypervolume after Zitzler and Thiele (1999); the volume that one point adds after While,
Bradstreet and Barone, "A fast way of calculating exact hypervolumes" (2012), section III: the
volume that the point dominates, less the volume that the others dominate within it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import moocore
import numpy as np
import numpy.typing as npt

from mvt_nas._typing import BoolArray, FloatArray
from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from mvt_nas.pareto import cost_signs

_MARGIN = 0.1
# Up to this number of objectives, a hypervolume is as fast to compute as the non-dominated points.
# Then dominated points are removed only when the points are this many times the last front.
_QUICK = 3
_MORE = 1.25


@dataclass(frozen=True, slots=True)
class HypervolumeBox:
    """Bounding box of candidates, in costs (less is better).

    Attributes:
        ideal: Best cost in each objective, (m,).
        reference: Reference point of the hypervolume, (m,).
    """

    ideal: FloatArray
    reference: FloatArray

    @staticmethod
    def around(best: FloatArray, worst: FloatArray, reference: FloatArray) -> HypervolumeBox:
        """Return the box of candidates between two corners (m,), given the run's reference (m,)."""
        return HypervolumeBox(best, np.minimum(reference, worst + _MARGIN * (worst - best)))

    def holds(self, costs: FloatArray) -> BoolArray:
        """Return True for costs (n, m) that may add volume, (n,)."""
        return np.asarray(((costs < self.reference) | (self.reference == self.ideal)).all(axis=1))

    def scaled(self, costs: FloatArray) -> FloatArray:
        """Return the costs (k, m) inside the box, scaled: 0 at its ideal corner, 1 at the other.

        Rows that add no volume are left out.
        """
        sides = self.reference - self.ideal
        inside = costs[self.holds(costs)]
        # Avoid a division by zero along sides of length zero, where the result is 0.
        divisors = np.where(sides > 0, sides, 1.0)
        result: FloatArray = np.where(sides > 0, (inside - self.ideal) / divisors, 0.0)
        return result

    def share(self, costs: FloatArray) -> float:
        """Return the share of the box that costs (n, m) dominate, from 0 to 1."""
        return _volume(self.scaled(costs))


def costs_of(config: RunConfig, candidates: Iterable[Candidate]) -> FloatArray:
    """Return the objectives of candidates as costs, (n, m); NaN unless a candidate is complete."""
    objectives = config.objectives
    names = [objective.name for objective in objectives]
    rows = []
    for candidate in candidates:
        if candidate.status == "complete":
            rows.append([candidate.scores[name] for name in names])
        else:
            rows.append([np.nan] * len(names))
    scores = np.asarray(rows, dtype=np.float64).reshape(-1, len(names))
    return scores * cost_signs([objective.direction for objective in objectives])


def reference_as_cost(config: RunConfig) -> FloatArray:
    """Return a run's reference point (m,) as costs."""
    return np.asarray(
        [objective.cost(config.reference[objective.name]) for objective in config.objectives]
    )


def run_hypervolume_curve(run: Run) -> FloatArray:
    """Return the share of the final box dominated after each candidate, (candidates,), 0 to 1."""
    costs = costs_of(run.config, (run.candidates[number] for number in sorted(run.candidates)))
    return hypervolume_curve(costs, ["min"] * costs.shape[1], reference_as_cost(run.config))


def hypervolume_curve(
    scores: npt.ArrayLike, directions: Sequence[str], reference: npt.ArrayLike
) -> FloatArray:
    """Return the share of the box of all rows dominated after each row, (n,), from 0 to 1.

    Args:
        scores: One row per candidate, in order, (n, m); a row that is not finite adds nothing.
        directions: ``"min"`` or ``"max"`` for each of the m columns.
        reference: Reference point of the run, (m,), in the same units and directions.
    """
    costs, finite, box = _boxed(scores, directions, reference)
    gains = np.zeros(len(costs))
    if box is not None:
        kept = costs[finite]
        counted = np.flatnonzero(finite)[box.holds(kept)]
        gains[counted] = _gains(box.scaled(kept))
    curve: FloatArray = np.minimum(np.cumsum(gains), 1.0)
    return curve


def hypervolume_after(
    scores: npt.ArrayLike,
    directions: Sequence[str],
    reference: npt.ArrayLike,
    counts: Sequence[int],
) -> FloatArray:
    """Return values of :func:`hypervolume_curve` after some increasing numbers of rows, (counts,).

    This computes at most one hypervolume per count, not one for each row that was ever on the
    front.
    """
    costs, finite, box = _boxed(scores, directions, reference)
    shares = np.zeros(len(counts))
    if box is None:
        return shares
    # A superset of the front so far, scaled; the front's share; the size that triggers thinning.
    points = costs[:0]
    share = 0.0
    most = 0.0
    for index, (before, count) in enumerate(pairwise([0, *counts])):
        known = len(points)
        new = box.scaled(costs[before:count][finite[before:count]])
        points = np.vstack([points, new])
        kept = np.ones(len(points), dtype=bool)
        if len(points) > most or points.shape[1] > _QUICK:
            kept = _nondominated(points)
            most = _MORE * kept.sum()
        points = points[kept]
        # The volume can only change if a new point is kept. Rounding must not let it decrease.
        if kept[known:].any():
            share = max(share, min(_volume(points), 1.0))
        shares[index] = share
    return shares


def _boxed(
    scores: npt.ArrayLike, directions: Sequence[str], reference: npt.ArrayLike
) -> tuple[FloatArray, BoolArray, HypervolumeBox | None]:
    """Return scores as costs (n, m), a mask of the finite rows (n,), and the box of those.

    The box is None where no row is finite.
    """
    signs = cost_signs(directions)
    costs = np.asarray(scores, dtype=np.float64).reshape(-1, len(signs)) * signs
    finite = np.asarray(np.isfinite(costs).all(axis=1))
    if not finite.any():
        return costs, finite, None
    kept = costs[finite]
    reference_cost = np.asarray(reference, dtype=np.float64) * signs
    box = HypervolumeBox.around(kept.min(axis=0), kept.max(axis=0), reference_cost)
    return costs, finite, box


def _gains(points: FloatArray) -> FloatArray:
    """Return the volume (n,) that each point, (n, m), of the unit cube adds to those before it."""
    gains = np.zeros(len(points))
    front = points[:0]
    for index, point in enumerate(points):
        if len(front) and (front <= point).all(axis=1).any():
            continue
        # Clip the front to the box that the point dominates: its volume is what they share.
        shared = _volume(np.maximum(front, point))
        gains[index] = np.prod(1.0 - point) - shared
        front = np.vstack([front[~(point <= front).all(axis=1)], point])
    return gains


def _nondominated(points: FloatArray) -> BoolArray:
    """Return True for the non-dominated points, (n, m) to (n,); for one of several equal ones."""
    if not len(points):
        return np.zeros(0, dtype=bool)
    return np.asarray(moocore.is_nondominated(points, keep_weakly=False), dtype=bool)


def _volume(points: FloatArray) -> float:
    """Return the volume that points, (n, m), of the unit cube dominate up to its worst corner."""
    if not len(points):
        return 0.0
    return float(moocore.hypervolume(points, ref=np.ones(points.shape[1])))
