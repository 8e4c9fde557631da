"""What a space holds: its size, the spread of its costs, and how tight budgets can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mvt_nas.cost.names import COST_NAMES, LATENCY, is_cost
from mvt_nas.cost.table import CostTable
from mvt_nas.engine.devices import DeviceNames, folds
from mvt_nas.engine.feasible import Feasibility
from mvt_nas.engine.objectives import Budget, parse_budgets
from mvt_nas.errors import MetricError, listing
from mvt_nas.space.published import published_names, zoo
from mvt_nas.space.search_space import SearchSpace


def survey(space: SearchSpace, budgets: Sequence[str] = (), *, samples: int = 100_000, seed: int = 0) -> dict[str, Any]:
    """Return the figures of a space as plain data; latency is among its costs on the devices that the budgets name.

    Smallest and largest costs are found by descent (exactly in spaces that are small enough to list); medians and shares come from
    architectures drawn uniformly.

    Raises:
        MetricError: a budget cannot be read or is not on a cost.
        LatencyError: there is no such device.
    """
    devices = DeviceNames()
    parsed = parse_budgets(budgets, devices.metric)
    for budget in parsed:
        if not is_cost(budget.metric):
            raise MetricError(f"--budget {budget}: only costs are known before a search ({listing([*COST_NAMES, LATENCY])})")
    table = CostTable(space, folds=folds(devices.found))
    rows = space.sample(samples, seed)
    costs = table.costs(rows)
    free, bound = Feasibility(table, []), Feasibility(table, parsed)
    extremes = {name: [free.best(Budget(name, 0.0, at_most)) for at_most in (True, False)] for name in table.names}
    return {
        "name": space.name,
        "hash": space.hash,
        "size": space.size,
        "dimensions": len(space.dimensions),
        "samples": samples,
        "costs": {n: {"min": extremes[n][0], "median": float(np.median(costs[n])), "max": extremes[n][1]} for n in table.names},
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
