"""Which architectures meet the budgets on costs: known before anything is evaluated.

Single architectures are looked up in the cost table. Whether budgets can be met at all, and how tight each could be, is answered by
listing the space where it is small and otherwise by descent: from many starts, the choice of one dimension is changed for the better
until none is. Costs grow with every width, depth and resolution, so that descent finds their smallest values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvt_nas.cost.table import Costs, CostTable
from mvt_nas.engine.objectives import Budget
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace

SMALL = 200_000
"""Spaces of at most this size are listed whole."""

_STARTS = 4
_ROUNDS = 200
_TINY = 1e-15  # makes a metric's value break ties between rows that violate nothing
_DRAWS = 20_000

Loss = Callable[[Rows], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Tightest:
    """How tight one budget could be.

    Attributes:
        budget: the budget.
        alone: the best value of its metric in the space.
        together: the best value while the other budgets hold; ``None`` where those cannot be met.
    """

    budget: Budget
    alone: float
    together: float | None


class Feasibility:
    """The budgets of a search on the costs of its space.

    Args:
        table: of the space.
        budgets: on costs only.
    """

    def __init__(self, table: CostTable, budgets: Sequence[Budget]) -> None:
        self.table = table
        self.space: SearchSpace = table.space
        self.budgets = tuple(budgets)
        self._rows: Rows | None = None

    def mask(self, rows: Rows) -> NDArray[np.bool_]:
        """Return which canonical rows obey the rules and meet the budgets, (n,)."""
        allowed = self.space.obeys(rows)
        if self.budgets and allowed.any():
            allowed &= _violation(self.budgets, self.table.costs(rows)) <= 0
        return allowed

    def listed(self) -> Rows | None:
        """Return all feasible rows of a small space, ``None`` for a large one."""
        if self._rows is None and self.space.size <= SMALL:
            rows = self.space.enumerate()
            self._rows = rows[self.mask(rows)]
        return self._rows

    def sample(self, n: int, seed: int) -> Rows:
        """Return up to ``n`` feasible rows: drawn uniformly while that finds any, else reached by descent."""
        rng = np.random.default_rng(seed)
        rows = self.space.counter.sample(max(n, 1) * 4, rng)
        found = rows[self.mask(rows)]
        if len(found) or self.listed() is not None:
            return found[:n] if len(found) else self._choose(n, rng)
        reached = self._descend(lambda rows: _violation(self.budgets, self.table.costs(rows)), int(rng.integers(2**31)))
        return reached[self.mask(reached)][:n]

    def satisfiable(self, seed: int = 0) -> bool:
        """Return whether any architecture of the space meets all budgets."""
        return bool(len(self.sample(_DRAWS // 4, seed)))

    def tightest(self) -> list[Tightest]:
        """Return for each budget the tightest bound that could be met, alone and with the others."""
        result = []
        for budget in self.budgets:
            others = Feasibility(self.table, [other for other in self.budgets if other is not budget])
            alone = Feasibility(self.table, []).best(budget)
            assert alone is not None
            result.append(Tightest(budget, alone, others.best(budget)))
        return result

    def best(self, budget: Budget) -> float | None:
        """Return the best value of a budget's metric while these budgets hold; ``None`` where they cannot."""
        rows = self.listed()
        if rows is None:
            reached = self._descend(lambda rows: self._loss(rows, budget), seed=0)
            rows = reached[self.mask(reached)]
        if not len(rows):
            return None
        values = self.table.costs(rows)[budget.metric]
        return float(values.min() if budget.at_most else values.max())

    def _loss(self, rows: Rows, budget: Budget) -> NDArray[np.float64]:
        costs = self.table.costs(rows)
        return 1e3 * _violation(self.budgets, costs) + costs[budget.metric] * (_TINY if budget.at_most else -_TINY)

    def _choose(self, n: int, rng: np.random.Generator) -> Rows:
        rows = self.listed()
        assert rows is not None
        return rows[rng.choice(len(rows), min(n, len(rows)), replace=False)] if len(rows) else rows

    def _descend(self, loss: Loss, seed: int) -> Rows:
        """Return the rows where single changes no longer lower the loss, from the smallest choices and random starts."""
        rng = np.random.default_rng(seed)
        starts = np.concatenate([self.space.counter.sample(_STARTS, rng), self._smallest()])
        return np.stack([self._descend_from(start, loss) for start in starts])

    def _smallest(self) -> Rows:
        row = self.space.canonical(np.zeros((1, len(self.space.dimensions)), dtype=np.int32))
        return row[self.space.obeys(row)]

    def _descend_from(self, row: Rows, loss: Loss) -> Rows:
        best = float(loss(row[None])[0])
        for _ in range(_ROUNDS):
            near = self.space.neighbours(row)
            losses = loss(near) if len(near) else np.empty(0)
            if not (losses < best).any():
                return row
            order = np.argsort(losses, kind="stable")
            steps = np.stack([self._joined(row, near[order[losses[order] < best]]), near[order[0]]])
            values = np.where(self.space.obeys(steps), loss(steps), np.inf)
            row, best = steps[int(values.argmin())], float(values.min())
        return row

    def _joined(self, row: Rows, better: Rows) -> Rows:
        """Return ``row`` with the changes of all ``better`` neighbours, the first of each dimension."""
        joined = row.copy()
        for neighbour in better[::-1]:
            changed = neighbour != row
            joined[changed] = neighbour[changed]
        result: Rows = self.space.canonical(joined[None])[0]
        return result


def _violation(budgets: Sequence[Budget], costs: Costs) -> NDArray[np.float64]:
    """Return how far the budgets are broken together, relative to their bounds; 0 where all are met, (n,)."""
    total = np.zeros(len(costs.params))
    for budget in budgets:
        values = costs[budget.metric].astype(np.float64)
        excess = values - budget.bound if budget.at_most else budget.bound - values
        total += np.maximum(excess, 0) / max(abs(budget.bound), 1.0)
    return total
