"""Factors over a donor's coefficients, from the times of whole networks.

Whole networks alone say little about single kernels. So coefficients keep their donor's proportions
within each part of a partition, each part gets one factor, and all factors are drawn towards one
that they share; how hard, by which partition and over which donor is chosen by cross-validation.
Relative errors are squared, outliers count for less (Huber), nothing can be negative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import FloatArray
from mvt_nas.blocks.graph import Graph
from mvt_nas.errors import LatencyError
from mvt_nas.latency.model.nonnegative_least_squares import nonnegative_least_squares
from mvt_nas.latency.model.predictor import Coefficients
from mvt_nas.latency.model.scaling_groups import BY_CLASS, BY_GROUP, BY_RESOURCE, ScalingGroups

Rows = NDArray[np.intp]

PENALTIES = (0.0001, 0.001, 0.01, 0.1, 1.0)
"""How hard factors may be drawn together."""

LEAST_NETWORKS = 4
_FOLDS = 10
_HUBER = 2.5
_REWEIGHTINGS = 5
_NEEDED = ((BY_RESOURCE, 0), (BY_GROUP, 25), (BY_CLASS, 35))


@dataclass(frozen=True, slots=True)
class FactorFitSpec:
    """How a model is to be fitted.

    Attributes:
        donor: whose coefficients are scaled.
        partition: which of them have a factor in common.
        penalty: how hard the factors are drawn together.
    """

    donor: str
    partition: ScalingGroups
    penalty: float


@dataclass(frozen=True, slots=True)
class FittedFactors:
    """A fitted model.

    Attributes:
        recipe: how it was fitted.
        factors: over the donor's coefficients, by name.
        fixed_ms: milliseconds of every inference beside its kernels.
    """

    recipe: FactorFitSpec
    factors: dict[str, float]
    fixed_ms: float

    def ms(self, times: FloatArray) -> FloatArray:
        """Return the latency of networks, (n,), from their times by factor, (n, factors + 1)."""
        result: FloatArray = times @ np.array([*self.factors.values(), self.fixed_ms])
        return result


class NetworkTimesFit:
    """Networks with measured latencies, to which models are fitted.

    Args:
        graphs: lowerings of the networks.
        ms: their latencies, (n,).
        donors: coefficients by name.
        penalty: how hard factors are drawn together; chosen by cross-validation without one.

    Raises:
        LatencyError: there are fewer than four networks.
    """

    def __init__(
        self,
        graphs: Sequence[Graph],
        ms: FloatArray,
        donors: Mapping[str, Coefficients],
        *,
        penalty: float | None = None,
    ) -> None:
        if len(graphs) < LEAST_NETWORKS:
            raise LatencyError(
                f"{len(graphs)} networks are too few to fit a latency model; at least"
                f" {LEAST_NETWORKS}"
            )
        self.ms = np.asarray(ms, dtype=float)
        self._partitions = [partition for partition, needed in _NEEDED if len(graphs) >= needed]
        self._times = {
            (name, partition.name): np.stack(
                [partition.times(graph, coefficients) for graph in graphs]
            )
            for name, coefficients in donors.items()
            for partition in self._partitions
        }
        self._donors = tuple(donors)
        self._penalties = PENALTIES if penalty is None else (penalty,)

    @cached_property
    def recipes(self) -> list[FactorFitSpec]:
        """All that may be chosen from."""
        return [
            FactorFitSpec(donor, part, penalty)
            for donor in self._donors
            for part in self._partitions
            for penalty in self._penalties
        ]

    def times(self, recipe: FactorFitSpec) -> FloatArray:
        """Return the times by factor of all networks under a recipe, (n, factors + 1)."""
        return self._times[recipe.donor, recipe.partition.name]

    def best(self, rows: Rows | None = None) -> FactorFitSpec:
        """Return the recipe with the smallest mean relative error in cross-validation over the networks in ``rows``, all without."""
        if len(self.recipes) == 1:
            return self.recipes[0]
        chosen = np.arange(len(self.ms)) if rows is None else rows
        return min(
            self.recipes,
            key=lambda recipe: float(
                np.abs(self._by_folds(recipe, chosen) / self.ms[chosen] - 1).mean()
            ),
        )

    def fit(self, recipe: FactorFitSpec, rows: Rows | None = None) -> FittedFactors:
        """Return the model fitted by a recipe to the networks in ``rows``, all without."""
        times, ms = (
            (self.times(recipe), self.ms)
            if rows is None
            else (self.times(recipe)[rows], self.ms[rows])
        )
        solution = _robust(times, ms, recipe.penalty)
        names = recipe.partition.factors
        return FittedFactors(
            recipe,
            {name: float(value) for name, value in zip(names, solution, strict=False)},
            float(solution[-1]),
        )

    def held_out(self, folds: int = _FOLDS) -> FloatArray:
        """Return the prediction of each network by models that never saw it, (n,); each fold chooses its own recipe.

        With at least as many folds as networks, one at a time is left out.
        """
        result = np.empty(len(self.ms))
        for inside, outside in _splits(np.arange(len(self.ms)), folds):
            recipe = self.best(inside)
            result[outside] = self.fit(recipe, inside).ms(self.times(recipe)[outside])
        return result

    def _by_folds(self, recipe: FactorFitSpec, rows: Rows) -> FloatArray:
        result = np.empty(len(self.ms))
        for inside, outside in _splits(rows, _FOLDS):
            result[outside] = self.fit(recipe, inside).ms(self.times(recipe)[outside])
        chosen: FloatArray = result[rows]
        return chosen


def _splits(rows: Rows, folds: int) -> list[tuple[Rows, Rows]]:
    part = np.arange(len(rows)) % min(folds, len(rows))
    return [(rows[part != fold], rows[part == fold]) for fold in range(int(part.max()) + 1)]


def _robust(times: FloatArray, ms: FloatArray, penalty: float) -> FloatArray:
    """Return factors and fixed milliseconds; networks measured while others had the machine count for less."""
    solution = _drawn_together(times, ms, penalty, np.ones(len(ms)))
    for _ in range(_REWEIGHTINGS):
        errors = np.abs(times @ solution / ms - 1)
        scale = max(1.4826 * float(np.median(errors)), 1e-4)
        solution = _drawn_together(
            times, ms, penalty, np.minimum(1.0, _HUBER * scale / np.maximum(errors, 1e-12))
        )
    return solution


def _drawn_together(
    times: FloatArray, ms: FloatArray, penalty: float, weights: FloatArray
) -> FloatArray:
    """Return the weighted relative least squares with each factor drawn towards one more unknown, which all share."""
    n, columns = times.shape
    factors, root = columns - 1, np.sqrt(weights)
    design = np.zeros((n + factors, columns + 1))
    design[:n, :columns] = times / ms[:, None] * root[:, None]
    design[n:, :factors] = np.sqrt(penalty) * np.eye(factors)
    design[n:, columns] = -np.sqrt(penalty)
    return nonnegative_least_squares(design, np.concatenate([root, np.zeros(factors)]))[:columns]
