"""What a problem for samplers is: a space, what is optimised in it, the true values, and the best front there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.metrics.direction import Direction
from mvt_nas.nas.mvt.pareto_search import best_front
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.objectives import Objective
from mvt_nas.pareto import cost_signs, hypervolume, pareto_front, reference_point
from mvt_nas.registry import Registry
from mvt_nas.space.columns import Rows

MARGIN = 0.1
"""By how much of the range of the true front the reference point lies beyond its worst values."""


class BenchmarkProblem:
    """Something to search whose result can be judged.

    Args:
        about: in words.
        feasibility: the space, and what is known of it.
        objectives: one that is not known among them.
        truth: true values of the one that is not known, of rows, (n, dimensions) to (n,).
        noise_sd: standard deviation of what an evaluation adds to the truth.
    """

    def __init__(
        self,
        about: str,
        feasibility: Feasibility,
        objectives: tuple[Objective, ...],
        truth: Callable[[Rows], FloatArray],
        noise_sd: float = 0.0,
    ) -> None:
        self.about = about
        self.feasibility = feasibility
        self.objectives = objectives
        self.truth = truth
        self.noise_sd = noise_sd

    @property
    def directions(self) -> list[Direction]:
        """The direction of each objective."""
        return [objective.direction for objective in self.objectives]

    @property
    def costly(self) -> str:
        """The metric that is not known."""
        return next(
            objective.name for objective in self.objectives if not objective.metric.known_in_advance
        )

    def scores(self, rows: Rows) -> FloatArray:
        """Return the true values of rows, (n, objectives)."""
        known = self.feasibility.known.of(rows)
        columns = [
            known[one.name] if one.metric.known_in_advance else self.truth(rows)
            for one in self.objectives
        ]
        return np.column_stack([np.asarray(column, dtype=float) for column in columns])

    @cached_property
    def _best(self) -> _Best:
        scores = self.scores(proven_front(self))
        scores = scores[pareto_front(scores, self.directions)]
        reference = reference_point(scores, self.directions, MARGIN)
        return _Best(
            len(np.unique(scores, axis=0)),
            reference,
            hypervolume(scores, self.directions, reference),
        )

    @property
    def front_size(self) -> int:
        """How many different points the best front has."""
        return self._best.size

    def share(self, rows: Rows) -> float:
        """Return the hypervolume of the true values of rows as a share of that of the best front."""
        return (
            hypervolume(self.scores(rows), self.directions, self._best.reference)
            / self._best.volume
        )


@dataclass(frozen=True, slots=True)
class _Best:
    """The best front: its number of points, the reference point, its hypervolume."""

    size: int
    reference: FloatArray
    volume: float


def proven_front(problem: BenchmarkProblem) -> Rows:
    """Return the front by all rows of a space that can be listed, else by a long search with values that cost nothing."""
    signs = cost_signs(problem.directions)
    return best_front(
        problem.feasibility, lambda rows: problem.scores(rows) * signs, np.random.default_rng(0)
    ).rows


PROBLEMS: Registry[Callable[[], BenchmarkProblem]] = Registry("problem", "mvt_nas.nas.benchmark")
"""Problems by name; each entry makes one."""
