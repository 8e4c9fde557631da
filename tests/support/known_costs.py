"""Problems whose objectives are known costs, and observations of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mvt_nas.cost.table import CostTable
from mvt_nas.nas.mvt.observations import Observations
from mvt_nas.nas.mvt.problem import OptimizationProblem
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.objectives import Budget, Objective
from mvt_nas.nas.problem.predictors import Predictors
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace

NOTHING: dict[str, NDArray[np.float64]] = {}


def feasibility(space: SearchSpace, *budgets: str) -> Feasibility:
    """Return what decides which networks of a space keep to budgets on known costs."""
    return Feasibility(
        Predictors(CostTable(space, num_classes=10)), [Budget.parse(text) for text in budgets]
    )


def goals(there: Feasibility, *objectives: str) -> OptimizationProblem:
    """Return the problem of objectives that are known costs."""
    return OptimizationProblem.of(there, [Objective.parse(text) for text in objectives], [])


def seen(taken: Rows, wanted: OptimizationProblem, there: Feasibility) -> Observations:
    """Return a history in which half of the rows have settled."""
    costs = wanted.known_costs(there, taken)
    return Observations(
        taken, costs, NOTHING, np.ones(len(taken), dtype=bool), taken, taken[:0], len(taken) // 2
    )


def as_set(rows: Rows) -> set[tuple[int, ...]]:
    return {tuple(row) for row in rows.tolist()}


def told(taken: Rows, wanted: OptimizationProblem, there: Feasibility) -> Observations:
    """Return a history in which all rows have settled."""
    return replace(seen(taken, wanted, there), settled=len(taken), ended=len(taken))
