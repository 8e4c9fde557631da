"""The optimization problem of a search as arrays: costs, bounds, and known columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.objectives import Budget, Objective
from mvt_nas.pareto import cost_signs
from mvt_nas.space.columns import Rows


@dataclass(frozen=True, slots=True)
class OptimizationProblem:
    """Objectives, and budgets on metrics that have to be evaluated.

    Attributes:
        objectives: Objectives in the order of a trial's values.
        budgets: Budgets on metrics that have to be evaluated.
        known: Names of the metrics that tables give.
    """

    objectives: tuple[Objective, ...]
    budgets: tuple[Budget, ...]
    known: frozenset[str]

    @staticmethod
    def of(
        feasibility: Feasibility, objectives: Sequence[Objective], budgets: Sequence[Budget]
    ) -> OptimizationProblem:
        """Return the problem of a search in a space."""
        known = frozenset(feasibility.known.names)
        costly_budgets = tuple(budget for budget in budgets if budget.name not in known)
        return OptimizationProblem(tuple(objectives), costly_budgets, known)

    @property
    def signs(self) -> FloatArray:
        """Factors that turn values into costs (less is better), (objectives,)."""
        return cost_signs([objective.direction for objective in self.objectives])

    @property
    def costly(self) -> list[int]:
        """Columns of the objectives that have to be evaluated."""
        return [
            column
            for column, objective in enumerate(self.objectives)
            if objective.name not in self.known
        ]

    @property
    def all_known(self) -> bool:
        """True if tables give every objective and every budget."""
        return not self.costly and not self.budgets

    def known_costs(self, feasibility: Feasibility, rows: Rows) -> FloatArray:
        """Return the costs of rows, (n, objectives); zeros where a metric has to be evaluated."""
        values = feasibility.known.of(rows)
        costs = np.zeros((len(rows), len(self.objectives)))
        for column, objective in enumerate(self.objectives):
            if objective.name in self.known and len(rows):
                costs[:, column] = objective.cost(np.asarray(values[objective.name], dtype=float))
        return costs

    @property
    def highest(self) -> FloatArray:
        """Largest costs that budgets on objectives allow, (objectives,)."""
        return self._bounds()[1]

    @property
    def lowest(self) -> FloatArray:
        """Smallest costs that budgets on objectives allow, (objectives,).

        They are finite where a budget forbids the best values of an objective.
        """
        return self._bounds()[0]

    def is_objective_budget(self, constraint: str) -> bool:
        """Return True if a constraint is a budget on an objective and needs no model of its own."""
        names = [objective.name for objective in self.objectives]
        return any(str(budget) == constraint and budget.name in names for budget in self.budgets)

    def _bounds(self) -> tuple[FloatArray, FloatArray]:
        """Return the lowest and highest allowed costs, (objectives,) each."""
        low = np.full(len(self.objectives), -np.inf)
        high = np.full(len(self.objectives), np.inf)
        for column, objective in enumerate(self.objectives):
            for budget in self.budgets:
                if budget.name != objective.name:
                    continue
                bound = objective.cost(budget.bound)
                # A budget in the direction of the objective limits bad values, else good ones.
                if budget.direction is objective.direction:
                    high[column] = min(high[column], bound)
                else:
                    low[column] = max(low[column], bound)
        return low, high
