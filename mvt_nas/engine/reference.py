"""The reference point of a run's hypervolume: fixed before the first evaluation, so that values of one run can be compared.

A minimised cost counts from its budget, else from the largest cost among the published models in the space and a draw of a thousand
architectures; a proxy counts from the bound that it declares.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mvt_nas.cost.names import COST_NAMES
from mvt_nas.engine.feasible import Feasibility
from mvt_nas.engine.objectives import Budget, Objective
from mvt_nas.proxies.contract import PROXIES
from mvt_nas.space.columns import Rows

_DRAWN = 1000


def reference_point(objectives: Sequence[Objective], budgets: Sequence[Budget], feasibility: Feasibility, published: Rows, seed: int) -> dict[str, float]:
    """Return the reference value of each objective, by metric."""
    rows = np.concatenate([published, feasibility.sample(_DRAWN, seed)])
    costs = feasibility.table.costs(rows)
    bounds = {budget.metric: budget.bound for budget in budgets if budget.at_most}
    result = {}
    for objective in objectives:
        if objective.metric in COST_NAMES:
            result[objective.metric] = float(bounds.get(objective.metric, costs[objective.metric].max()))
        else:
            result[objective.metric] = float(PROXIES.get(objective.metric).worst)
    return result
