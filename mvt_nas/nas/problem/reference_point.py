"""The reference point of a run's hypervolume: fixed before the first evaluation, so that values of one run can be compared.

What is known counts from its budget, else from the worst among the published models in the space
and a draw of a thousand architectures; a training from guessing; a proxy from the bound that it
declares.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mvt_nas.metrics.direction import Direction
from mvt_nas.metrics.metric import Source
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.objectives import Objective
from mvt_nas.nas.problem.predictors import LazyMetrics
from mvt_nas.nas.problem.short_training import CandidateTraining
from mvt_nas.nas.problem.warm_start import warm_start
from mvt_nas.proxies.base import PROXIES

_DRAWN = 1000


def reference_point(
    objectives: Sequence[Objective],
    feasibility: Feasibility,
    seed: int,
    training: CandidateTraining | None = None,
) -> dict[str, float]:
    """Return the reference value of each objective, by metric; ``training`` says how candidates are trained, where they are."""
    known = feasibility.known.of(
        np.stack([*feasibility.sample(_DRAWN, seed), *(row for _, row in warm_start(feasibility))])
    )
    result = {}
    for objective in objectives:
        if objective.metric.known_in_advance:
            result[objective.name] = _worst(objective, feasibility, known)
        elif objective.metric.source is Source.TRAINED:
            assert training is not None, "a run that asks for trainings says how"
            result[objective.name] = 100 / training.num_classes
        else:
            result[objective.name] = float(PROXIES.get(objective.name).worst)
    return result


def _worst(objective: Objective, feasibility: Feasibility, known: LazyMetrics) -> float:
    least = objective.direction is Direction.MIN
    bounds = [
        budget.bound
        for budget in feasibility.budgets
        if budget.metric == objective.metric and budget.direction is objective.direction
    ]
    values = known[objective.name]
    return float(min(bounds, default=values.max()) if least else max(bounds, default=values.min()))
