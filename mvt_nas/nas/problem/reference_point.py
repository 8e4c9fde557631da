"""The reference point of a run's hypervolume.

It is fixed before the first evaluation, so that values of one run can be compared. For metrics that
are known in advance it is the budget, else the worst value among the published models in the space
and a random sample of a thousand architectures; for trained accuracy that of random guessing; for a
proxy the bound that it declares.
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

_SAMPLES = 1000


def reference_point(
    objectives: Sequence[Objective],
    feasibility: Feasibility,
    seed: int,
    training: CandidateTraining | None = None,
) -> dict[str, float]:
    """Return the reference value of each objective, by metric.

    Args:
        objectives: The objectives of the run.
        feasibility: The feasible part of the space.
        seed: Seed of the random sample.
        training: How candidates are trained, if they are.
    """
    published = [row for _, row in warm_start(feasibility)]
    rows = np.stack([*feasibility.sample(_SAMPLES, seed), *published])
    known = feasibility.known.of(rows)
    result = {}
    for objective in objectives:
        if objective.metric.known_in_advance:
            result[objective.name] = _worst(objective, feasibility, known)
        elif objective.metric.source is Source.TRAINED:
            assert training is not None, "a run with trained accuracy has a training"
            result[objective.name] = 100 / training.num_classes
        else:
            result[objective.name] = float(PROXIES.get(objective.name).worst)
    return result


def _worst(objective: Objective, feasibility: Feasibility, known: LazyMetrics) -> float:
    """Return the tightest budget on an objective in its direction, else its worst known value."""
    minimise = objective.direction is Direction.MIN
    bounds = [
        budget.bound
        for budget in feasibility.budgets
        if budget.metric == objective.metric and budget.direction is objective.direction
    ]
    values = known[objective.name]
    if minimise:
        return float(min(bounds, default=values.max()))
    return float(max(bounds, default=values.min()))
