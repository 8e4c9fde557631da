"""What a search wants, as arrays: which objectives are known of every row, which have to be evaluated, and which values are allowed."""

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
    """Objectives, and budgets on what is not known.

    Attributes:
        objectives: in the order of a trial's values.
        budgets: on metrics that have to be evaluated.
        known: names of the metrics that tables give.
    """

    objectives: tuple[Objective, ...]
    budgets: tuple[Budget, ...]
    known: frozenset[str]

    @staticmethod
    def of(
        feasibility: Feasibility, objectives: Sequence[Objective], budgets: Sequence[Budget]
    ) -> OptimizationProblem:
        """Return the goals of a search in a space."""
        known = frozenset(feasibility.known.names)
        return OptimizationProblem(
            tuple(objectives),
            tuple(budget for budget in budgets if budget.name not in known),
            known,
        )

    @property
    def signs(self) -> FloatArray:
        """What turns values into costs, of which less is better, (objectives,)."""
        return cost_signs([objective.direction for objective in self.objectives])

    @property
    def costly(self) -> list[int]:
        """The columns of the objectives that have to be evaluated."""
        return [
            column
            for column, objective in enumerate(self.objectives)
            if objective.name not in self.known
        ]

    def known_costs(self, feasibility: Feasibility, rows: Rows) -> FloatArray:
        """Return the costs of rows, (n, objectives), with zeros for what has to be evaluated."""
        values = feasibility.known.of(rows)
        costs = np.zeros((len(rows), len(self.objectives)))
        for column, objective in enumerate(self.objectives):
            if objective.name in self.known and len(rows):
                costs[:, column] = objective.cost(np.asarray(values[objective.name], dtype=float))
        return costs

    @property
    def highest(self) -> FloatArray:
        """The largest cost that budgets on objectives allow, (objectives,)."""
        return self._bounds()[1]

    @property
    def lowest(self) -> FloatArray:
        """The smallest cost that budgets on objectives allow, (objectives,): the budget of a search may forbid what it wants most."""
        return self._bounds()[0]

    def shared(self, constraint: str) -> bool:
        """Return whether a constraint is a budget on an objective, and needs no model of its own."""
        names = [objective.name for objective in self.objectives]
        return any(str(budget) == constraint and budget.name in names for budget in self.budgets)

    def _bounds(self) -> tuple[FloatArray, FloatArray]:
        low, high = np.full(len(self.objectives), -np.inf), np.full(len(self.objectives), np.inf)
        for column, objective in enumerate(self.objectives):
            for budget in self.budgets:
                if budget.name == objective.name:
                    bound = objective.cost(budget.bound)
                    if budget.direction is objective.direction:
                        high[column] = min(high[column], bound)
                    else:
                        low[column] = max(low[column], bound)
        return low, high
