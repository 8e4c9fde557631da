"""Hypervolume curves of a run and of a random baseline under the same budgets."""

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


def random_curves(run: Run, trials: Sequence[int]) -> tuple[FloatArray, FloatArray | None]:
    """Return the hypervolumes of a run and of the random baseline after some numbers of trials.

    The baseline draws as many architectures uniformly from the same space. Both curves are shares
    of the box around the candidates of both.

    Args:
        run: Run whose candidates are compared.
        trials: Numbers of trials after which the hypervolume is computed.

    Returns:
        Two arrays of shape ``(len(trials),)``. The second is ``None`` if an objective or a budget
        has to be evaluated, because then the baseline would cost as much as the search, and if
        fewer feasible architectures than the run has candidates were drawn.
    """
    names, reference = _objectives(run)
    scores = _scores(run, names)
    if run.config.costly:
        return hypervolume_after(scores, run.directions, reference, trials), None
    baseline = _random_baseline(run, len(scores))
    drawn = baseline.whole()
    # The curve has one point per requested row, so that rows behind those only widen the box, which
    # has to be the same for both curves.
    search_curve = hypervolume_after(
        np.vstack([scores, baseline.corners]), run.directions, reference, trials
    )
    if len(drawn) < len(scores):
        return search_curve, None
    random_curve = hypervolume_after(
        np.vstack([drawn, scores, baseline.corners]), run.directions, reference, trials
    )
    return search_curve, random_curve


def joint_curves(runs: Sequence[Run], trials: Sequence[Sequence[int]]) -> list[FloatArray]:
    """Return the hypervolumes of several runs after some numbers of their trials.

    They are shares of one box around the candidates of all runs.
    """
    names, _ = _objectives(runs[0])
    signs = cost_signs(runs[0].directions)
    references = np.array([[run.config.reference[name] for name in names] for run in runs]) * signs
    reference = references.max(axis=0) * signs
    scores = [_scores(run, names) for run in runs]
    curves = []
    for index, own in enumerate(scores):
        # The scores of the other runs only widen the box.
        others = scores[:index] + scores[index + 1 :]
        rows = np.vstack([own, *others])
        curves.append(hypervolume_after(rows, runs[0].directions, reference, trials[index]))
    return curves


def _objectives(run: Run) -> tuple[list[str], list[float]]:
    """Return the names of the objectives, and the run's reference point."""
    names = [objective.name for objective in run.config.objectives]
    return names, [run.config.reference[name] for name in names]


def _scores(run: Run, names: Sequence[str]) -> FloatArray:
    """Return the objectives of all candidates in order of their numbers, (n, objectives).

    Candidates that are not complete have NaN.
    """
    incomplete = [np.nan] * len(names)
    rows = []
    for number in sorted(run.candidates):
        candidate = run.candidates[number]
        is_complete = candidate.status == "complete"
        rows.append([candidate.scores[name] for name in names] if is_complete else incomplete)
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(names))


def _random_baseline(run: Run, count: int) -> RandomBaseline:
    """Return the random baseline that the search has kept, or a new one."""
    kept = read_random_baseline(run.folder, run.config, count)
    if kept is not None:
        return kept
    feasibility = Feasibility(
        run.inputs.predictors(run.space, run.config.num_classes), run.config.known_budgets
    )
    return sample_random_baseline(feasibility, run.config.objectives, count)
