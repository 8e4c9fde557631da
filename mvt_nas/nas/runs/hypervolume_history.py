"""How the front of a search grew: the hypervolume over the trials, as a share of the box that all candidates span.

The run's own reference point does for comparing runs, not for saying whether a front still grows: a
score may declare a bound far below all values, and then all growth is small beside the box. So a
side of the box ends a tenth of the range beyond the worst candidate, unless the run's reference
point is nearer; it begins at the best value of any candidate. A side without length counts as
dominated.

Source: hypervolume after Zitzler and Thiele (1999); the volume that one point adds after While,
Bradstreet and Barone, "A fast way of calculating exact hypervolumes" (2012), section III: what the
point dominates, without what the others dominate of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from mvt_nas._typing import FloatArray
from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from mvt_nas.pareto import cost_signs

_MARGIN = 0.1
# objectives up to which a volume takes no longer than finding out which points it is made of,
_QUICK = 3
_MORE = 1.25  # so that so many times as many points as are on the front are left among them


@dataclass(frozen=True, slots=True)
class HypervolumeBox:
    """What candidates span, in costs: less is better everywhere.

    Attributes:
        ideal: (m,), the best value in each objective.
        reference: (m,), where volume is counted from.
    """

    ideal: FloatArray
    reference: FloatArray

    @staticmethod
    def around(best: FloatArray, worst: FloatArray, reference: FloatArray) -> HypervolumeBox:
        """Return the box of candidates between two corners (m,) in a run with a reference point (m,)."""
        return HypervolumeBox(best, np.minimum(reference, worst + _MARGIN * (worst - best)))

    def holds(self, costs: FloatArray) -> NDArray[np.bool_]:
        """Return which costs (n, m) may add volume, (n,)."""
        return np.asarray(((costs < self.reference) | (self.reference == self.ideal)).all(axis=1))

    def scaled(self, costs: FloatArray) -> FloatArray:
        """Return the costs (n, m) inside of the box, from 0 at its ideal corner to 1 at the other; rows that add no volume are left out."""
        sides = self.reference - self.ideal
        inside = costs[self.holds(costs)]
        result: FloatArray = np.where(
            sides > 0, (inside - self.ideal) / np.where(sides > 0, sides, 1.0), 0.0
        )
        return result

    def share(self, costs: FloatArray) -> float:
        """Return the share of the box that costs (n, m) dominate, from 0 to 1."""
        return _volume(self.scaled(costs))


def costs_of(config: RunConfig, candidates: Iterable[Candidate]) -> FloatArray:
    """Return the objectives of candidates (n, m) as costs; those of candidates that are not complete are NaN."""
    aims = config.objectives
    nothing = [np.nan] * len(aims)
    keys = [aim.name for aim in aims]
    rows = [
        [c.scores[key] for key in keys] if c.status == "complete" else nothing for c in candidates
    ]
    scores = np.asarray(rows, dtype=np.float64).reshape(-1, len(aims))
    return scores * cost_signs([aim.direction for aim in aims])


def reference_as_cost(config: RunConfig) -> FloatArray:
    """Return a run's reference point (m,) as costs."""
    return np.asarray([aim.cost(config.reference[aim.name]) for aim in config.objectives])


def run_hypervolume_curve(run: Run) -> FloatArray:
    """Return the share of the final box that the candidates up to each number dominate, (candidates,), from 0 to 1."""
    costs = costs_of(run.config, (run.candidates[number] for number in sorted(run.candidates)))
    return hypervolume_curve(costs, ["min"] * costs.shape[1], reference_as_cost(run.config))


def hypervolume_curve(
    scores: npt.ArrayLike, directions: Sequence[str], reference: npt.ArrayLike
) -> FloatArray:
    """Return the share of the box around all rows that the rows up to each one dominate, (n,), from 0 to 1.

    Args:
        scores: (n, m), one row per candidate in their order; a row that is not finite adds nothing.
        directions: ``"min"`` or ``"max"`` for each of the m columns.
        reference: (m,), the reference point of the run, in the same units and directions.
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
    """Return what :func:`hypervolume_curve` says after some numbers of rows, (counts,), which rise.

    A few hundred places of a long search need as many volumes at most, not one for each row that
    was ever on the front.
    """
    costs, finite, box = _boxed(scores, directions, reference)
    shares, points, share, most = np.zeros(len(counts)), costs[:0], 0.0, 0.0
    for place, (before, count) in enumerate(pairwise([0, *counts])):
        if box is not None:
            known, points = (
                len(points),
                np.vstack([points, box.scaled(costs[before:count][finite[before:count]])]),
            )
            kept = np.ones(len(points), dtype=bool)
            if len(points) > most or points.shape[1] > _QUICK:
                kept = _undominated(points)
                most = _MORE * kept.sum()
            points = points[kept]
            if kept[known:].any():
                share = max(share, min(_volume(points), 1.0))
        shares[place] = share
    return shares


def _boxed(
    scores: npt.ArrayLike, directions: Sequence[str], reference: npt.ArrayLike
) -> tuple[FloatArray, NDArray[np.bool_], HypervolumeBox | None]:
    """Return scores as costs (n, m), which of them are finite (n,), and the box around those; ``None`` where none is."""
    signs = cost_signs(directions)
    costs = np.asarray(scores, dtype=np.float64).reshape(-1, len(signs)) * signs
    finite = np.asarray(np.isfinite(costs).all(axis=1))
    if not finite.any():
        return costs, finite, None
    kept = costs[finite]
    return (
        costs,
        finite,
        HypervolumeBox.around(
            kept.min(axis=0), kept.max(axis=0), np.asarray(reference, dtype=np.float64) * signs
        ),
    )


def _gains(points: FloatArray) -> FloatArray:
    """Return the volume (n,) that each of some points (n, m) in the unit cube adds to those before it."""
    gains = np.zeros(len(points))
    front = points[:0]
    for index, point in enumerate(points):
        if len(front) and (front <= point).all(axis=1).any():
            continue
        gains[index] = np.prod(1.0 - point) - _volume(np.maximum(front, point))
        front = np.vstack([front[~(point <= front).all(axis=1)], point])
    return gains


def _undominated(points: FloatArray) -> NDArray[np.bool_]:
    """Return which points (n, m) no other dominates, (n,); of equal ones one."""
    import moocore

    return (
        np.asarray(moocore.is_nondominated(points, keep_weakly=False), dtype=bool)
        if len(points)
        else np.zeros(0, dtype=bool)
    )


def _volume(points: FloatArray) -> float:
    """Return the volume that points (n, m) in the unit cube dominate up to its worst corner."""
    import moocore

    return float(moocore.hypervolume(points, ref=np.ones(points.shape[1]))) if len(points) else 0.0
