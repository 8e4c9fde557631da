"""What a space holds: its size, the spread of its costs, and how tight budgets can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mvt_nas.cost.names import COST_NAMES
from mvt_nas.cost.table import CostTable
from mvt_nas.engine.feasible import Feasibility
from mvt_nas.engine.objectives import Budget
from mvt_nas.errors import MetricError
from mvt_nas.space.published import published_names, zoo
from mvt_nas.space.search_space import SearchSpace


def survey(space: SearchSpace, budgets: Sequence[str] = (), *, samples: int = 100_000, seed: int = 0) -> dict[str, Any]:
    """Return the figures of a space as plain data.

    Smallest and largest costs are found by descent (exactly in spaces that are small enough to list); medians and shares come from
    architectures drawn uniformly.

    Raises:
        MetricError: a budget cannot be read or is not on a cost.
    """
    parsed = [Budget.parse(text) for text in budgets]
    for budget in parsed:
        if budget.metric not in COST_NAMES:
            raise MetricError(f"--budget {budget}: only costs are known before a search ({', '.join(COST_NAMES)})")
    table = CostTable(space)
    rows = space.sample(samples, seed)
    costs = table.costs(rows)
    free, bound = Feasibility(table, []), Feasibility(table, parsed)
    extremes = {name: [free.best(Budget(name, 0.0, at_most)) for at_most in (True, False)] for name in COST_NAMES}
    return {
        "name": space.name,
        "hash": space.hash,
        "size": space.size,
        "dimensions": len(space.dimensions),
        "samples": samples,
        "costs": {n: {"min": extremes[n][0], "median": float(np.median(costs[n])), "max": extremes[n][1]} for n in COST_NAMES},
        "published": [name for name in published_names() if space.contains(zoo(name))],
        "feasible_share": float(bound.mask(rows).mean()),
        "satisfiable": bound.satisfiable(seed),
        "budgets": [
            {
                "budget": str(tight.budget),
                "feasible_share": float(Feasibility(table, [tight.budget]).mask(rows).mean()),
                "tightest": tight.alone,
                "tightest_together": tight.together,
            }
            for tight in bound.tightest()
        ],
    }
