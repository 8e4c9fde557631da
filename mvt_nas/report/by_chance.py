"""What a run found against what chance finds: as many architectures drawn uniformly, under the same budgets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mvt_nas.engine.feasible import Feasibility
from mvt_nas.engine.progress_curve import hypervolume_curve
from mvt_nas.engine.run import Run
from mvt_nas.pareto import SIGN_AS_COST

_SEED = 2**31  # none that a search is likely to have


def curves(run: Run) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return the hypervolume over the trials of a run, (n,), and that of a uniform draw, as shares of the box of both.

    The second is ``None`` where an objective or a budget has to be evaluated: there chance costs as much as the search.
    """
    names = [objective.metric for objective in run.config.objectives]
    reference = [run.config.reference[name] for name in names]
    numbers = sorted(run.candidates)
    own = np.array([_scores(run, number, names) for number in numbers]).reshape(len(numbers), len(names))
    drawn = None if run.config.costly else _drawn(run, names, len(numbers))
    if drawn is None:
        return hypervolume_curve(own, run.directions, reference), None
    # Both are measured in one box, which spans both.
    first = hypervolume_curve(np.vstack([own, drawn]), run.directions, reference)[: len(own)]
    second = hypervolume_curve(np.vstack([drawn, own]), run.directions, reference)[: len(drawn)]
    return first, second


def together(runs: Sequence[Run]) -> list[NDArray[np.float64]]:
    """Return the hypervolume over the trials of each run, (n,), as shares of the one box around the candidates of all."""
    names = [objective.metric for objective in runs[0].config.objectives]
    signs = np.array([SIGN_AS_COST[direction] for direction in runs[0].directions])
    references = np.array([[run.config.reference[name] for name in names] for run in runs]) * signs
    scores = [np.array([_scores(run, number, names) for number in sorted(run.candidates)]) for run in runs]
    reference = references.max(axis=0) * signs
    boxed = [np.vstack([own, *(other for other in scores if other is not own)]) for own in scores]
    return [hypervolume_curve(rows, runs[0].directions, reference)[: len(own)] for rows, own in zip(boxed, scores, strict=True)]


def _scores(run: Run, number: int, names: list[str]) -> list[float]:
    candidate = run.candidates[number]
    return [candidate.scores[name] if candidate.status == "complete" else np.nan for name in names]


def _drawn(run: Run, names: list[str], count: int) -> NDArray[np.float64]:
    feasibility = Feasibility(run.inputs.known(run.space, run.config.num_classes), run.config.known_budgets)
    known = feasibility.known.of(feasibility.sample(count, _SEED))
    return np.column_stack([np.asarray(known[name], dtype=float) for name in names])
