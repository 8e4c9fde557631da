"""What a run found against what chance finds: as many architectures drawn uniformly, under the same budgets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.runs.hypervolume_history import hypervolume_after
from mvt_nas.nas.runs.random_baseline import (
    RandomBaseline,
    read_random_baseline,
    sample_random_baseline,
)
from mvt_nas.nas.runs.run import Run
from mvt_nas.pareto import cost_signs


def random_curves(run: Run, after: Sequence[int]) -> tuple[FloatArray, FloatArray | None]:
    """Return the hypervolume after some numbers of trials, (after,), and that of a uniform draw, as shares of the box of both.

    The second is ``None`` where an objective or a budget has to be evaluated: there chance costs as
    much as the search; and where the budgets leave a draw of four times as many fewer than the run
    has.
    """
    names, reference = _objectives(run)
    own = _scores(run, names)
    if run.config.costly:
        return hypervolume_after(own, run.directions, reference, after), None
    chance = _chance(run, len(own))
    drawn = chance.whole()
    # Both are measured in one box, which spans both.
    first = hypervolume_after(np.vstack([own, chance.corners]), run.directions, reference, after)
    if len(drawn) < len(own):
        return first, None
    return first, hypervolume_after(
        np.vstack([drawn, own, chance.corners]), run.directions, reference, after
    )


def joint_curves(runs: Sequence[Run], after: Sequence[Sequence[int]]) -> list[FloatArray]:
    """Return the hypervolume of each run after some numbers of its trials, as shares of the one box around the candidates of all."""
    names, _ = _objectives(runs[0])
    signs = cost_signs(runs[0].directions)
    references = np.array([[run.config.reference[name] for name in names] for run in runs]) * signs
    scores = [_scores(run, names) for run in runs]
    reference = references.max(axis=0) * signs
    boxed = [np.vstack([own, *(other for other in scores if other is not own)]) for own in scores]
    return [
        hypervolume_after(rows, runs[0].directions, reference, counts)
        for rows, counts in zip(boxed, after, strict=True)
    ]


def _objectives(run: Run) -> tuple[list[str], list[float]]:
    """Return the names of the objectives, and the run's reference point in them."""
    names = [objective.name for objective in run.config.objectives]
    return names, [run.config.reference[name] for name in names]


def _scores(run: Run, names: Sequence[str]) -> FloatArray:
    """Return the objectives of all candidates in order of their numbers, (n, objectives); NaN where one is not complete."""
    nothing = [np.nan] * len(names)
    candidates = (run.candidates[number] for number in sorted(run.candidates))
    rows = [
        [one.scores[name] for name in names] if one.status == "complete" else nothing
        for one in candidates
    ]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(names))


def _chance(run: Run, count: int) -> RandomBaseline:
    """Return what chance finds: what the search has left behind of it, or drawn anew."""
    kept = read_random_baseline(run.folder, run.config, count)
    if kept is not None:
        return kept
    feasibility = Feasibility(
        run.inputs.predictors(run.space, run.config.num_classes), run.config.known_budgets
    )
    return sample_random_baseline(feasibility, run.config.objectives, count)
