"""The reference point of a run's hypervolume: fixed before the first evaluation, so that values of one run can be compared.

A minimised cost counts from its budget, else from the largest cost among the published models in the space and a draw of a thousand
architectures; a proxy counts from the bound that it declares.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mvt_nas.cost.names import is_cost
from mvt_nas.engine.feasible import Feasibility
from mvt_nas.engine.objectives import Objective
from mvt_nas.engine.warm import warm_start
from mvt_nas.proxies.contract import PROXIES

_DRAWN = 1000


def reference_point(objectives: Sequence[Objective], feasibility: Feasibility, seed: int) -> dict[str, float]:
    """Return the reference value of each objective, by metric."""
    rows = np.stack([*feasibility.sample(_DRAWN, seed), *(row for _, row in warm_start(feasibility))])
    costs = feasibility.table.costs(rows)
    result = {}
    for metric in (objective.metric for objective in objectives):
        if is_cost(metric):
            bounds = [budget.bound for budget in feasibility.budgets if budget.metric == metric and budget.at_most]
            result[metric] = float(min(bounds, default=costs[metric].max()))
        else:
            result[metric] = float(PROXIES.get(metric).worst)
    return result
