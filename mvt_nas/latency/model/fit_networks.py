"""Scale factors on the coefficients of a base profile, fitted to the times of whole networks.

Whole networks alone say little about single kernels. So coefficients keep the proportions of their
base profile within each scaling group, each group gets one factor, and all factors are shrunk
towards a common one. Cross-validation chooses the base profile, the partition into groups, and the
strength of the shrinkage. Relative errors are squared, outliers count less (Huber), nothing can be
negative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mvt_nas._typing import FloatArray, IndexArray
from mvt_nas.blocks.graph import Graph
from mvt_nas.errors import LatencyError
from mvt_nas.latency.model.nonnegative_least_squares import nonnegative_least_squares
from mvt_nas.latency.model.predictor import Coefficients
from mvt_nas.latency.model.scaling_groups import BY_CLASS, BY_GROUP, BY_RESOURCE, ScalingGroups

PENALTIES = (0.0001, 0.001, 0.01, 0.1, 1.0)
"""Candidates for the strength of the shrinkage."""

LEAST_NETWORKS = 4
_FOLDS = 10
_REWEIGHTINGS = 5

# Errors up to this number of standard deviations have full weight.
_HUBER = 2.5
# Median absolute deviation of a normal distribution to its standard deviation.
_MAD_TO_STD = 1.4826
# Keep an almost perfect fit from giving weights that are all noise, or a division by 0.
_LEAST_SCALE = 1e-4
_LEAST_ERROR = 1e-12

# Partitions with the number of networks from which on they are tried: more factors need more data.
_NEEDED = ((BY_RESOURCE, 0), (BY_GROUP, 25), (BY_CLASS, 35))


@dataclass(frozen=True, slots=True)
class FactorFitSpec:
    """Settings of a fit.

    Attributes:
        base_profile: Name of the profile whose coefficients are scaled.
        groups: Groups of coefficients with a common factor.
        penalty: Strength of the shrinkage of the factors.
    """

    base_profile: str
    groups: ScalingGroups
    penalty: float


@dataclass(frozen=True, slots=True)
class FittedFactors:
    """Fitted factors.

    Attributes:
        spec: Settings of the fit.
        factors: Factors on the base profile's coefficients, by name.
        fixed_ms: Milliseconds of every inference in addition to its kernels.
    """

    spec: FactorFitSpec
    factors: dict[str, float]
    fixed_ms: float

    def ms(self, times: FloatArray) -> FloatArray:
        """Return latencies, (n,), from times by factor, (n, factors + 1)."""
        result: FloatArray = times @ np.array([*self.factors.values(), self.fixed_ms])
        return result


class NetworkTimesFit:
    """Networks with measured latencies, and fits of models to them.

    Args:
        graphs: lowerings of the networks.
        ms: latencies of the networks, (n,).
        base_profiles: coefficients by name.
        penalty: strength of the shrinkage; chosen by cross-validation without one.

    Raises:
        LatencyError: there are fewer than four networks.
    """

    def __init__(
        self,
        graphs: Sequence[Graph],
        ms: FloatArray,
        base_profiles: Mapping[str, Coefficients],
        *,
        penalty: float | None = None,
    ) -> None:
        if len(graphs) < LEAST_NETWORKS:
            raise LatencyError(
                f"{len(graphs)} networks are too few to fit a latency model; at least"
                f" {LEAST_NETWORKS}"
            )
        self.ms = np.asarray(ms, dtype=float)
        self._partitions = [groups for groups, needed in _NEEDED if len(graphs) >= needed]
        self._times = {
            (name, groups.name): np.stack([groups.times(graph, coefficients) for graph in graphs])
            for name, coefficients in base_profiles.items()
            for groups in self._partitions
        }
        self._base_profiles = tuple(base_profiles)
        self._penalties = PENALTIES if penalty is None else (penalty,)

    @cached_property
    def specs(self) -> list[FactorFitSpec]:
        """All settings to choose from."""
        return [
            FactorFitSpec(base_profile, groups, penalty)
            for base_profile in self._base_profiles
            for groups in self._partitions
            for penalty in self._penalties
        ]

    def times(self, spec: FactorFitSpec) -> FloatArray:
        """Return the times by factor of all networks, (n, factors + 1)."""
        return self._times[spec.base_profile, spec.groups.name]

    def best(self, rows: IndexArray | None = None) -> FactorFitSpec:
        """Return the settings with the smallest mean relative error in cross-validation.

        Args:
            rows: networks to use; all by default.
        """
        if len(self.specs) == 1:
            return self.specs[0]
        chosen = np.arange(len(self.ms)) if rows is None else rows

        def error(spec: FactorFitSpec) -> float:
            predicted = self._cross_validated(spec, chosen)
            return float(np.abs(predicted / self.ms[chosen] - 1).mean())

        return min(self.specs, key=error)

    def fit(self, spec: FactorFitSpec, rows: IndexArray | None = None) -> FittedFactors:
        """Return the factors fitted to the networks in ``rows``, by default to all."""
        times = self.times(spec)
        ms = self.ms
        if rows is not None:
            times = times[rows]
            ms = ms[rows]
        solution = _fit_robustly(times, ms, spec.penalty)
        # The last number is the fixed time, which zip leaves out.
        factors = dict(zip(spec.groups.factors, map(float, solution), strict=False))
        return FittedFactors(spec, factors, float(solution[-1]))

    def held_out(self, folds: int = _FOLDS) -> FloatArray:
        """Return the prediction of each network by models fitted without it, (n,).

        Each fold chooses its own settings. With at least as many folds as networks, one network is
        left out at a time.
        """
        result = np.empty(len(self.ms))
        for inside, outside in _splits(np.arange(len(self.ms)), folds):
            spec = self.best(inside)
            result[outside] = self.fit(spec, inside).ms(self.times(spec)[outside])
        return result

    def _cross_validated(self, spec: FactorFitSpec, rows: IndexArray) -> FloatArray:
        """Return the prediction of each network in ``rows`` by a model fitted to other folds."""
        result = np.empty(len(self.ms))
        for inside, outside in _splits(rows, _FOLDS):
            result[outside] = self.fit(spec, inside).ms(self.times(spec)[outside])
        predicted: FloatArray = result[rows]
        return predicted


def _splits(rows: IndexArray, folds: int) -> list[tuple[IndexArray, IndexArray]]:
    """Return the rows inside and outside each training fold; networks take turns."""
    fold_of = np.arange(len(rows)) % min(folds, len(rows))
    return [
        (rows[fold_of != fold], rows[fold_of == fold]) for fold in range(int(fold_of.max()) + 1)
    ]


def _fit_robustly(times: FloatArray, ms: FloatArray, penalty: float) -> FloatArray:
    """Return factors and fixed milliseconds, (factors + 1,), with outliers weighted down.

    Networks may have been measured while other programs used the machine. Iteratively reweighted
    least squares with Huber's weights.
    """
    solution = _fit_weighted(times, ms, penalty, np.ones(len(ms)))
    for _ in range(_REWEIGHTINGS):
        errors = np.abs(times @ solution / ms - 1)
        scale = max(_MAD_TO_STD * float(np.median(errors)), _LEAST_SCALE)
        weights = np.minimum(1.0, _HUBER * scale / np.maximum(errors, _LEAST_ERROR))
        solution = _fit_weighted(times, ms, penalty, weights)
    return solution


def _fit_weighted(
    times: FloatArray, ms: FloatArray, penalty: float, weights: FloatArray
) -> FloatArray:
    """Return the weighted least squares of relative errors with shrunk factors, (factors + 1,).

    Columns of the design are the factors, the fixed time, and one more unknown, the common factor.
    Rows are the networks, whose targets are 1 (relative errors), then one row per factor, which
    penalizes its difference from the common factor.
    """
    n, columns = times.shape
    factors = columns - 1
    root = np.sqrt(weights)
    design = np.zeros((n + factors, columns + 1))
    design[:n, :columns] = times / ms[:, None] * root[:, None]
    design[n:, :factors] = np.sqrt(penalty) * np.eye(factors)
    design[n:, columns] = -np.sqrt(penalty)
    target = np.concatenate([root, np.zeros(factors)])
    return nonnegative_least_squares(design, target)[:columns]
