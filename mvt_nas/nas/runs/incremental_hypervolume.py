"""The front of a growing set of candidates, and the hypervolume of a running search."""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np

from mvt_nas._typing import BoolArray, FloatArray
from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.hypervolume_history import costs_of, reference_as_cost
from mvt_nas.nas.runs.run import Run
from mvt_nas.pareto import hypervolume, pareto_front

# Cool-down: wait 20 times the duration of the last hypervolume computation before the next, which
# is slow with many objectives.
_REST = 20.0


class IncrementalFront:
    """The non-dominated costs of points that are added over time.

    An update costs as much as the front and the new points, not as all points so far.

    Args:
        config: Configuration of the run.

    Attributes:
        costs: Costs (less is better) of the front, in the order of addition, (k, objectives).
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self.costs: FloatArray = np.zeros((0, len(config.objectives)))

    def add(self, costs: FloatArray) -> BoolArray:
        """Add costs, (n, objectives), and return a mask of the points that are on the front now.

        The mask, (k + n,), covers the previous front followed by the new points.
        """
        both = np.vstack([self.costs, costs])
        kept = pareto_front(both, ["min"] * both.shape[1])
        self.costs = both[kept]
        return kept

    def add_candidates(self, candidates: Iterable[Candidate]) -> FloatArray:
        """Add the complete ones of some candidates and return their costs, (n, objectives)."""
        costs = costs_of(self._config, candidates)
        costs = costs[np.isfinite(costs).all(axis=1)]
        self.add(costs)
        return costs

    def hypervolume(self) -> float:
        """Return the hypervolume of the front, from the run's reference point."""
        directions = ["min"] * self.costs.shape[1]
        return hypervolume(self.costs, directions, reference_as_cost(self._config))


class IncrementalHypervolume:
    """The hypervolume of a run whose candidates are added one by one."""

    def __init__(self) -> None:
        self._front: IncrementalFront | None = None
        self._new: list[Candidate] = []
        self._volume = 0.0
        self._next_s = 0.0

    def add(self, candidate: Candidate) -> None:
        """Add a candidate."""
        if candidate.status == "complete":
            self._new.append(candidate)

    def hypervolume(self, run: Run, *, exact: bool = False) -> float:
        """Return the hypervolume of the added candidates; possibly an earlier, smaller one.

        Args:
            run: Run of the candidates.
            exact: Include all candidates, even if the last computation was slow.
        """
        start = time.monotonic()
        if exact or start >= self._next_s:
            self._update(run)
            end = time.monotonic()
            self._next_s = end + _REST * (end - start)
        return self._volume

    def _update(self, run: Run) -> None:
        if self._front is None:
            self._front = IncrementalFront(run.config)
        self._front.add_candidates(self._new)
        self._new = []
        self._volume = self._front.hypervolume()
