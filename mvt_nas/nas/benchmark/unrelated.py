"""A synthetic benchmark problem: random effects of single choices, of pairs, and of size."""

from __future__ import annotations

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.cost.table import CostTable
from mvt_nas.metrics.direction import Direction
from mvt_nas.metrics.metric import Metric, Source
from mvt_nas.nas.benchmark.problem import PROBLEMS, BenchmarkProblem
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.objectives import Objective
from mvt_nas.nas.problem.predictors import Predictors
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import load_space

_PAIRS = 120


@PROBLEMS.register("unrelated")
def unrelated() -> BenchmarkProblem:
    """Return the whole space with a synthetic score, and MACs."""
    known = Predictors(CostTable(load_space("small_images"), num_classes=10))
    score = Metric("made_up_score", Direction.MAX, Source.EXTERNAL)
    objectives = (Objective(score, score.direction), Objective.parse("macs"))
    return BenchmarkProblem(
        "4.6e12 architectures; random effects of choices and pairs, macs",
        Feasibility(known, []),
        objectives,
        RandomEffects(known),
    )


class RandomEffects:
    """The synthetic score of rows.

    Size, single choices and pairs of choices contribute about a third of the variance each.

    Args:
        known: Known metrics of the space.
    """

    def __init__(self, known: Predictors) -> None:
        rng = np.random.default_rng(0)
        sizes = [len(dimension.values) for dimension in known.space.dimensions]
        self._known = known
        self._single = [rng.standard_normal(size) for size in sizes]
        pairs = np.array([rng.choice(len(sizes), 2, replace=False) for _ in range(_PAIRS)])
        self._pairs = [(a, b, rng.standard_normal((sizes[a], sizes[b]))) for a, b in pairs.tolist()]

    def __call__(self, rows: Rows) -> FloatArray:
        """Return the scores of rows, (n, dimensions) to (n,)."""
        single = np.sum(
            [effect[rows[:, column]] for column, effect in enumerate(self._single)], axis=0
        )
        pairs = np.sum([effect[rows[:, a], rows[:, b]] for a, b, effect in self._pairs], axis=0)
        size = np.log(np.asarray(self._known.of(rows)["macs"], dtype=float))
        return np.asarray(
            single / np.sqrt(len(self._single)) + pairs / np.sqrt(_PAIRS) + 2.0 * size
        )
