"""Benchmark problems: a space, its objectives, true values, and the best front."""

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
"""Distance of the reference point from the worst values of the best front, by its range."""


class BenchmarkProblem:
    """A search problem with known true values, by which results are evaluated.

    Args:
        about: Description.
        feasibility: Space and its known metrics.
        objectives: Objectives, exactly one of them costly.
        truth: Function that gives the true values of the costly objective, (n, dimensions) to (n,).
        noise_sd: Standard deviation of the noise that evaluations add.
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
        """Direction of each objective."""
        return [objective.direction for objective in self.objectives]

    @property
    def costly(self) -> str:
        """Name of the costly objective."""
        return next(
            objective.name for objective in self.objectives if not objective.metric.known_in_advance
        )

    def scores(self, rows: Rows) -> FloatArray:
        """Return the true values of rows, (n, objectives)."""
        known = self.feasibility.known.of(rows)
        columns = [
            known[objective.name] if objective.metric.known_in_advance else self.truth(rows)
            for objective in self.objectives
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
        """Number of distinct points of the best front."""
        return self._best.size

    def share(self, rows: Rows) -> float:
        """Return the hypervolume of the true values of rows, relative to that of the best front."""
        volume = hypervolume(self.scores(rows), self.directions, self._best.reference)
        return volume / self._best.volume


@dataclass(frozen=True, slots=True)
class _Best:
    """The best front: its number of points, the reference point, its hypervolume."""

    size: int
    reference: FloatArray
    volume: float


def proven_front(problem: BenchmarkProblem) -> Rows:
    """Return the best front: exact if the space can be enumerated, else of a long search."""
    signs = cost_signs(problem.directions)
    return best_front(
        problem.feasibility, lambda rows: problem.scores(rows) * signs, np.random.default_rng(0)
    ).rows


PROBLEMS: Registry[Callable[[], BenchmarkProblem]] = Registry("problem", "mvt_nas.nas.benchmark")
"""Problems by name; each entry makes one."""
