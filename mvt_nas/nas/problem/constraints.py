"""Which architectures meet the budgets on what is known before anything is evaluated.

Single architectures are looked up in tables. Whether budgets can be met at all, and how tight each
could be, is answered by listing the space where it is small, and otherwise by uniform draws and
descents (see ``descent.py``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mvt_nas.metrics.names import is_latency
from mvt_nas.nas.problem.coordinate_descent import coordinate_descent
from mvt_nas.nas.problem.objectives import Budget
from mvt_nas.nas.problem.predictors import LazyMetrics, Predictors
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace

SMALL = 200_000
"""Spaces of at most this size are listed whole."""

_STARTS = 4
_DRAWS = 20_000


@dataclass(frozen=True, slots=True)
class TightestBound:
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
    """The budgets of a search on what is known of its space.

    Args:
        known: what that is.
        budgets: on such metrics only.
    """

    def __init__(self, known: Predictors, budgets: Sequence[Budget]) -> None:
        self.known = known
        self.space: SearchSpace = known.space
        self.budgets = tuple(budgets)

    def mask(self, rows: Rows) -> NDArray[np.bool_]:
        """Return which canonical rows obey the rules and meet the budgets, (n,)."""
        allowed = self.space.obeys(rows)
        if self.budgets and allowed.any():
            allowed &= _violation(self.budgets, self.known.of(rows)) == 0
        return allowed

    def listed(self) -> Rows | None:
        """Return all feasible rows of a small space in lexicographic order, ``None`` for a large one."""
        return self._feasible_rows

    def draw(self, n: int, rng: np.random.Generator) -> Rows:
        """Return the feasible ones among ``n`` rows drawn uniformly; there may be none."""
        rows = self.space.counter.sample(n, rng)
        return rows[self.mask(rows)]

    def reach(self, rng: np.random.Generator) -> Rows:
        """Return a few feasible rows found by descent; there may be none."""
        reached = self._descend(self.budgets, None, rng)
        return reached[self.mask(reached)]

    def sample(self, n: int, seed: int) -> Rows:
        """Return up to ``n`` feasible rows: drawn uniformly where draws find any, else listed, else reached by descent."""
        rng = np.random.default_rng(seed)
        found = self.draw(4 * n, rng)
        if len(found):
            return found[:n]
        listed = self.listed()
        if listed is None:
            return self.reach(rng)[:n]
        return listed[rng.permutation(len(listed))[:n]]

    def satisfiable(self, seed: int = 0) -> bool:
        """Return whether any architecture of the space meets all budgets; of a large space, whether any was found."""
        return bool(len(self.sample(_DRAWS // 4, seed)))

    def tightest(self) -> list[TightestBound]:
        """Return for each budget the tightest bound that could be met, alone and with the others."""
        result = []
        for index, budget in enumerate(self.budgets):
            alone = self._best(budget, ())
            assert alone is not None, "a space has an architecture"
            together = self._best(budget, self.budgets[:index] + self.budgets[index + 1 :])
            result.append(TightestBound(budget, alone, together))
        return result

    def best(self, budget: Budget) -> float | None:
        """Return the best value of a budget's metric while these budgets hold; ``None`` where they cannot."""
        return self._best(budget, self.budgets)

    def _best(self, budget: Budget, held: tuple[Budget, ...]) -> float | None:
        found = (
            self.known.of(self._descend(held, budget, np.random.default_rng(0)))
            if self._all is None
            else self._all[1]
        )
        values = found[budget.metric][_violation(held, found) == 0]
        if not len(values):
            return None
        return float(values.min() if budget.at_most else values.max())

    @cached_property
    def _all(self) -> tuple[Rows, LazyMetrics] | None:
        """All rows of a small space with what is known of them."""
        if self.space.size > SMALL:
            return None
        rows = self.space.enumerate()
        return rows, self.known.of(rows)

    @cached_property
    def _feasible_rows(self) -> Rows | None:
        return (
            None if self._all is None else self._all[0][_violation(self.budgets, self._all[1]) == 0]
        )

    def _descend(
        self, held: tuple[Budget, ...], wanted: Budget | None, rng: np.random.Generator
    ) -> Rows:
        """Return the ends of descents towards the budgets ``held`` and then the best value of the budget ``wanted``."""

        def loss(rows: Rows) -> NDArray[np.float64]:
            known = self.known.of(rows)
            value = (
                np.zeros(len(rows))
                if wanted is None
                else known[wanted.metric] * (1.0 if wanted.at_most else -1.0)
            )
            return np.stack([_violation(held, known), value], axis=1)

        drawn = self.space.counter.sample(_DRAWS // 4, rng)
        best = np.lexsort(loss(drawn).T[::-1])[:_STARTS]
        smallest = self.space.canonical(np.zeros((1, len(self.space.dimensions)), dtype=np.int32))
        starts = np.concatenate(
            [drawn[:_STARTS], drawn[best], smallest[self.space.obeys(smallest)]]
        )
        return coordinate_descent(self.space, starts, loss)


def _violation(budgets: Sequence[Budget], values: LazyMetrics) -> NDArray[np.float64]:
    """Return how far the budgets are broken together, relative to their bounds; 0 where all are met, (n,)."""
    total = np.zeros(len(values))
    for budget in budgets:
        one = values[budget.metric].astype(np.float64)
        excess = one - budget.bound if budget.at_most else budget.bound - one
        total += np.maximum(excess, 0) / max(abs(budget.bound), 1.0)
    return total


def unsatisfiable_budgets(feasibility: Feasibility) -> str:
    """Return one line that says which bounds could be met."""
    parts = []
    for tight in feasibility.tightest():
        sign = "<=" if tight.budget.at_most else ">="
        alone = _bound(tight.budget, tight.alone)
        together = (
            "not with the others"
            if tight.together is None
            else f"with the others {sign}{_bound(tight.budget, tight.together)}"
        )
        parts.append(f"{tight.budget}: tightest {sign}{alone} alone, {together}")
    return f"no architecture of {feasibility.space.name} meets all budgets ({'; '.join(parts)})"


def _bound(budget: Budget, value: float) -> str:
    """Return a bound that can be met as text; milliseconds are rounded to three places so that it can still be met."""
    if not is_latency(budget.metric):
        return f"{value:.12g}"
    return f"{(math.ceil if budget.at_most else math.floor)(value * 1000) / 1000:.12g}"
