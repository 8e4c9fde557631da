"""Posterior of candidate rows: known costs exactly, costly ones by models, and feasibility."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from mvt_nas._typing import FloatArray, IndexArray
from mvt_nas.nas.mvt.batch_selection import PosteriorSamples
from mvt_nas.nas.mvt.box_decomposition import Posterior
from mvt_nas.nas.mvt.features import RowFeatures
from mvt_nas.nas.mvt.gaussian_process import GaussianProcess, MaternKernel, fit_kernel
from mvt_nas.nas.mvt.memory import KernelKey
from mvt_nas.nas.mvt.observations import Observations
from mvt_nas.nas.mvt.problem import OptimizationProblem
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.space.columns import Rows

_FIRST_FIT = 8
# Kernels are fitted again whenever the number of observations has grown by this factor.
_GROWTH = 1.25
# The square of this is still finite.
_LARGEST = 1e100
# Interquartile ranges above the median at which bad values are clipped.
_TAIL = 5.0


@dataclass(frozen=True, slots=True)
class CandidatePool:
    """Rows that may be proposed, with their posterior.

    Attributes:
        rows: Rows, (n, dimensions).
        features: Their features, (n, features).
        posterior: Posterior of their costs.
        feasibility: Probability that they meet the budgets that have models of their own, (n,).
        excess: Optimistic excess over these budgets, in standard deviations of the observed
            excesses, (n,).
    """

    rows: Rows
    features: FloatArray
    posterior: Posterior
    feasibility: FloatArray
    excess: FloatArray

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: IndexArray) -> CandidatePool:
        """Return some of the rows."""
        return CandidatePool(
            self.rows[indices],
            self.features[indices],
            self.posterior.take(indices),
            self.feasibility[indices],
            self.excess[indices],
        )

    def concatenate(self, other: CandidatePool) -> CandidatePool:
        """Return the rows of both pools."""
        mean = np.concatenate([self.posterior.mean, other.posterior.mean])
        deviation = np.concatenate([self.posterior.deviation, other.posterior.deviation])
        return CandidatePool(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.features, other.features]),
            Posterior(mean, deviation, self.posterior.floor),
            np.concatenate([self.feasibility, other.feasibility]),
            np.concatenate([self.excess, other.excess]),
        )

    def optimistic(self, deviations: float) -> FloatArray:
        """Return costs (n, objectives), some standard deviations below their means."""
        return self.posterior.mean - deviations * self.posterior.deviation


class CostlyModels:
    """Models of the costly objectives and constraints, given the observations.

    Args:
        problem: Objectives and budgets.
        feasibility: Space and its known metrics.
        features: Feature extractor of the space.
        observations: Finished trials.
        kernels: Fitted kernels, kept between proposals; new ones are added.
    """

    def __init__(
        self,
        problem: OptimizationProblem,
        feasibility: Feasibility,
        features: RowFeatures,
        observations: Observations,
        kernels: dict[KernelKey, MaternKernel],
    ) -> None:
        self._problem = problem
        self._feasibility = feasibility
        self._features = features
        self._observations = observations
        self._kernels = kernels
        self._x = features(observations.rows)
        self._objectives = {
            column: self._model(column, _clip_outliers(observations.costs[:, column]))
            for column in problem.costly
        }
        # One value has no spread to model.
        self._excesses = {
            name: self._model(name, excess)
            for name, excess in observations.excesses.items()
            if np.isfinite(excess).sum() >= 2
        }

    @property
    def has_constraints(self) -> bool:
        """True if there are budgets with models of their own."""
        return bool(self._excesses)

    def pool(self, rows: Rows) -> CandidatePool:
        """Return rows with their posterior."""
        features = self._features(rows)
        mean = self._problem.known_costs(self._feasibility, rows)
        deviation = np.zeros_like(mean)
        for column, model in self._objectives.items():
            mean[:, column], deviation[:, column] = model.moments(features)
        feasibility = np.ones(len(rows))
        excess = np.zeros(len(rows))
        for model in self._excesses.values():
            center, spread = model.moments(features)
            feasibility *= ndtr(-center / spread)
            excess += np.maximum(center - spread, 0.0) / model.scale
        posterior = Posterior(mean, deviation, self._problem.lowest)
        return CandidatePool(rows, features, posterior, feasibility, excess)

    def observed_costs(self) -> FloatArray:
        """Return the costs of the feasible trials, (k, objectives), smoothed by the models."""
        feasible = self._observations.feasible
        costs = self._observations.costs[feasible].copy()
        for column, model in self._objectives.items():
            costs[:, column] = model.mean(self._x[feasible])
        return costs

    def sample(
        self, pool: CandidatePool, samples: int, rng: np.random.Generator
    ) -> PosteriorSamples:
        """Return joint samples of the costs of a pool."""
        costs = np.repeat(pool.posterior.mean[None], samples, axis=0)
        allowed = np.ones(costs.shape[:2], dtype=bool)
        for column, model in self._objectives.items():
            costs[:, :, column] = model.samples(pool.features, rng.standard_normal(costs.shape[:2]))
        for model in self._excesses.values():
            allowed &= model.samples(pool.features, rng.standard_normal(costs.shape[:2])) <= 0
        allowed &= (costs >= self._problem.lowest).all(axis=2)
        allowed &= (costs <= self._problem.highest).all(axis=2)
        return PosteriorSamples(costs, allowed)

    def _model(self, name: int | str, values: FloatArray) -> GaussianProcess:
        """Return the process of an objective (column) or a constraint (name), given its values."""
        finite = np.isfinite(values)
        x = self._x[finite]
        y = values[finite]
        return GaussianProcess(self._kernel(name, x, y), x, y)

    def _kernel(self, name: int | str, x: FloatArray, y: FloatArray) -> MaternKernel:
        """Return the kernel fitted to the first of the values, at the last refit."""
        count = _last_fit(len(y))
        key = (name, x[:count].tobytes(), y[:count].tobytes())
        if key not in self._kernels:
            self._kernels[key] = fit_kernel(x[:count], y[:count], self._features.groups)
        return self._kernels[key]


def _last_fit(n: int) -> int:
    """Return the number of values, of ``n``, at the last refit: it grows by a quarter a step."""
    count = min(_FIRST_FIT, n)
    while True:
        larger = max(int(count * _GROWTH), count + 1)
        if larger > n:
            return count
        count = larger


def _clip_outliers(costs: FloatArray) -> FloatArray:
    """Return costs with very bad ones clipped: their size says nothing about good candidates."""
    costs = np.clip(costs, -_LARGEST, _LARGEST)
    low, median, high = np.quantile(costs, [0.25, 0.5, 0.75])
    spread = float(high - low)
    return np.minimum(costs, median + _TAIL * spread) if spread > 0 else costs
