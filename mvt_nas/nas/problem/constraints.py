"""Architectures that meet the budgets on metrics known before anything is evaluated.

Single architectures are looked up in tables. Whether budgets can be met at all, and how tight each
could be, is found by enumerating the space where it is small, and otherwise by uniform samples and
coordinate descent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mvt_nas._typing import BoolArray, FloatArray
from mvt_nas.nas.problem.coordinate_descent import coordinate_descent
from mvt_nas.nas.problem.objectives import Budget
from mvt_nas.nas.problem.predictors import LazyMetrics, Predictors
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace

SMALL = 200_000
"""Size up to which a space is enumerated as a whole."""

_STARTS = 4
_DRAWS = 20_000


@dataclass(frozen=True, slots=True)
class TightestBound:
    """Tightest bound that a budget could have.

    Attributes:
        budget: The budget.
        alone: Best value of its metric in the space.
        together: Best value while the other budgets hold; ``None`` where those cannot be met.
    """

    budget: Budget
    alone: float
    together: float | None


class Feasibility:
    """The budgets of a search on the metrics that are known of its space.

    Args:
        known: The predictors of the space.
        budgets: Budgets on metrics of those only.
    """

    def __init__(self, known: Predictors, budgets: Sequence[Budget]) -> None:
        self.known = known
        self.space: SearchSpace = known.space
        self.budgets = tuple(budgets)

    def mask(self, rows: Rows) -> BoolArray:
        """Return a mask (n,) of the canonical rows that obey the rules and meet the budgets."""
        feasible = self.space.obeys(rows)
        # Metrics cost more than rules, so they are not computed where no row obeys those.
        if self.budgets and feasible.any():
            feasible &= _violation(self.budgets, self.known.of(rows)) == 0
        return feasible

    def enumerate(self) -> Rows | None:
        """Return all feasible rows in lexicographic order, ``None`` for a large space."""
        return self._feasible_rows

    def draw(self, n: int, rng: np.random.Generator) -> Rows:
        """Return the feasible ones among ``n`` rows sampled uniformly; there may be none."""
        rows = self.space.counter.sample(n, rng)
        return rows[self.mask(rows)]

    def descend(self, rng: np.random.Generator) -> Rows:
        """Return a few feasible rows found by coordinate descent; there may be none."""
        found = self._descend(self.budgets, None, rng)
        return found[self.mask(found)]

    def sample(self, n: int, seed: int) -> Rows:
        """Return up to ``n`` feasible rows.

        They are sampled uniformly where samples find any, else taken from the enumerated space,
        else found by descent.
        """
        rng = np.random.default_rng(seed)
        drawn = self.draw(4 * n, rng)
        if len(drawn):
            return drawn[:n]
        everything = self.enumerate()
        if everything is None:
            return self.descend(rng)[:n]
        return everything[rng.permutation(len(everything))[:n]]

    def satisfiable(self, seed: int = 0) -> bool:
        """Return True if an architecture meets all budgets; of a large space, if one was found."""
        return bool(len(self.sample(_DRAWS // 4, seed)))

    def tightest(self) -> list[TightestBound]:
        """Return the tightest bound of each budget, alone and with the others."""
        result = []
        for index, budget in enumerate(self.budgets):
            alone = self._best(budget, ())
            assert alone is not None, "a space has an architecture"
            together = self._best(budget, self.budgets[:index] + self.budgets[index + 1 :])
            result.append(TightestBound(budget, alone, together))
        return result

    def best(self, budget: Budget) -> float | None:
        """Return the best value of a metric while all budgets hold, ``None`` if nothing meets them.

        Args:
            budget: Its metric is meant, in its direction; the bound is not looked at.
        """
        return self._best(budget, self.budgets)

    def _best(self, budget: Budget, held: tuple[Budget, ...]) -> float | None:
        if self._all is not None:
            _, metrics = self._all
        else:
            metrics = self.known.of(self._descend(held, budget, np.random.default_rng(0)))
        values = metrics[budget.name][_violation(held, metrics) == 0]
        if not len(values):
            return None
        return float(values.min() if budget.at_most else values.max())

    @cached_property
    def _all(self) -> tuple[Rows, LazyMetrics] | None:
        """All rows of a small space, with their metrics."""
        if self.space.size > SMALL:
            return None
        rows = self.space.enumerate()
        return rows, self.known.of(rows)

    @cached_property
    def _feasible_rows(self) -> Rows | None:
        if self._all is None:
            return None
        rows, metrics = self._all
        feasible: Rows = rows[_violation(self.budgets, metrics) == 0]
        return feasible

    def _descend(
        self, held: tuple[Budget, ...], wanted: Budget | None, rng: np.random.Generator
    ) -> Rows:
        """Return the ends of descents towards some budgets, and then the best value of another.

        Args:
            held: Budgets to meet first.
            wanted: Budget whose metric is then brought to its best value.
            rng: Draws the starts.
        """

        def loss(rows: Rows) -> FloatArray:
            metrics = self.known.of(rows)
            value = np.zeros(len(rows))
            if wanted is not None:
                value = metrics[wanted.name] * wanted.direction.sign
            return np.stack([_violation(held, metrics), value], axis=1)

        drawn = self.space.counter.sample(_DRAWS // 4, rng)
        # The last key of lexsort is the primary one, so the columns are passed in reverse.
        best = np.lexsort(loss(drawn).T[::-1])[:_STARTS]
        smallest = self.space.canonical(np.zeros((1, len(self.space.dimensions)), dtype=np.int32))
        starts = np.concatenate(
            [drawn[:_STARTS], drawn[best], smallest[self.space.obeys(smallest)]]
        )
        return coordinate_descent(self.space, starts, loss)


def _violation(budgets: Sequence[Budget], metrics: LazyMetrics) -> FloatArray:
    """Return the sum (n,) of the excesses, each relative to its bound; 0 if all budgets are met."""
    total = np.zeros(len(metrics))
    for budget in budgets:
        excess = budget.excess(metrics[budget.name].astype(np.float64))
        total += np.maximum(excess, 0) / max(abs(budget.bound), 1.0)
    return total


def unsatisfiable_budgets(feasibility: Feasibility) -> str:
    """Return one line that says which bounds could be met."""
    parts = []
    for tight in feasibility.tightest():
        sign = "<=" if tight.budget.at_most else ">="
        alone = _bound(tight.budget, tight.alone)
        together = "not with the others"
        if tight.together is not None:
            together = f"with the others {sign}{_bound(tight.budget, tight.together)}"
        parts.append(f"{tight.budget}: tightest {sign}{alone} alone, {together}")
    return f"no architecture of {feasibility.space.name} meets all budgets ({'; '.join(parts)})"


def _bound(budget: Budget, value: float) -> str:
    """Return a bound that can be met as text."""
    if not budget.metric.is_latency:
        return f"{value:.12g}"
    # Milliseconds have three places, rounded away from the value so that the bound can be met.
    round_ = math.ceil if budget.at_most else math.floor
    return f"{round_(value * 1000) / 1000:.12g}"
