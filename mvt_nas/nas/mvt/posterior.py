"""What is believed of rows: known costs exactly, costly ones by their models, and how likely the budgets are met."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from mvt_nas._typing import FloatArray
from mvt_nas.nas.mvt.box_decomposition import Posterior
from mvt_nas.nas.mvt.features import RowFeatures
from mvt_nas.nas.mvt.gaussian_process import GaussianProcess, MaternKernel, fit_kernel
from mvt_nas.nas.mvt.observations import Observations
from mvt_nas.nas.mvt.problem import OptimizationProblem
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.space.columns import Rows

_FIRST_FIT = 8
_GROWTH = 1.25  # by which the observations grow before lengths and noise are fitted anew
_LARGEST = 1e100  # whose square is finite
_TAIL = 5.0  # interquartile ranges beyond which a bad value is no worse than another


@dataclass(frozen=True, slots=True)
class CandidatePool:
    """Rows that may be proposed, with what is believed of them.

    Attributes:
        rows: (n, dimensions).
        features: (n, features).
        beliefs: of their costs.
        likely: probability that they meet the budgets that have models of their own, (n,).
        excess: by how much they break them if luck is good, in standard deviations of what was
            seen, (n,).
    """

    rows: Rows
    features: FloatArray
    beliefs: Posterior
    likely: FloatArray
    excess: FloatArray

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, places: NDArray[np.intp]) -> CandidatePool:
        """Return some of the rows."""
        return CandidatePool(
            self.rows[places],
            self.features[places],
            self.beliefs.take(places),
            self.likely[places],
            self.excess[places],
        )

    def and_(self, other: CandidatePool) -> CandidatePool:
        """Return the rows of both."""
        mean = np.concatenate([self.beliefs.mean, other.beliefs.mean])
        deviation = np.concatenate([self.beliefs.deviation, other.beliefs.deviation])
        return CandidatePool(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.features, other.features]),
            Posterior(mean, deviation, self.beliefs.floor),
            np.concatenate([self.likely, other.likely]),
            np.concatenate([self.excess, other.excess]),
        )

    def optimistic(self, deviations: float) -> FloatArray:
        """Return costs (n, objectives) so many standard deviations below their means."""
        return self.beliefs.mean - deviations * self.beliefs.deviation


class CostlyModels:
    """The models of a search at one moment.

    Args:
        goals: what is wanted.
        feasibility: the space.
        features: of its rows.
        seen: the finished trials.
        memory: keeps what was fitted to earlier trials; what it holds follows from the trials.
    """

    def __init__(
        self,
        goals: OptimizationProblem,
        feasibility: Feasibility,
        features: RowFeatures,
        seen: Observations,
        memory: MutableMapping[Any, Any],
    ) -> None:
        self._goals, self._feasibility, self._features, self._seen = (
            goals,
            feasibility,
            features,
            seen,
        )
        self._x = features(seen.rows)
        self._memory = memory
        self._objectives = {
            column: self._model(column, _tamed(seen.costs[:, column])) for column in goals.costly
        }
        told = {
            name: excess for name, excess in seen.excesses.items() if np.isfinite(excess).sum() >= 2
        }
        self._excesses = {name: self._model(name, excess) for name, excess in told.items()}

    @property
    def bounded(self) -> bool:
        """Whether there are budgets that have models of their own."""
        return bool(self._excesses)

    def pool(self, rows: Rows) -> CandidatePool:
        """Return what is believed of rows."""
        features = self._features(rows)
        mean = self._goals.known_costs(self._feasibility, rows)
        deviation = np.zeros_like(mean)
        for column, model in self._objectives.items():
            mean[:, column], deviation[:, column] = model.moments(features)
        likely, excess = np.ones(len(rows)), np.zeros(len(rows))
        for model in self._excesses.values():
            centre, spread = model.moments(features)
            likely *= ndtr(-centre / spread)
            excess += np.maximum(centre - spread, 0.0) / model.scale
        return CandidatePool(
            rows, features, Posterior(mean, deviation, self._goals.lowest), likely, excess
        )

    def seen_costs(self) -> FloatArray:
        """Return the costs of the feasible trials, (k, objectives), freed of noise as far as the models see it."""
        feasible = self._seen.feasible
        costs = self._seen.costs[feasible].copy()
        for column, model in self._objectives.items():
            costs[:, column] = model.mean(self._x[feasible])
        return costs

    def draw(
        self, pool: CandidatePool, samples: int, rng: np.random.Generator
    ) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Return joint samples of costs, (samples, n, objectives), and whether they meet all budgets, (samples, n)."""
        costs = np.repeat(pool.beliefs.mean[None], samples, axis=0)
        allowed = np.ones(costs.shape[:2], dtype=bool)
        for column, model in self._objectives.items():
            costs[:, :, column] = model.samples(pool.features, rng.standard_normal(costs.shape[:2]))
        for model in self._excesses.values():
            allowed &= model.samples(pool.features, rng.standard_normal(costs.shape[:2])) <= 0
        return costs, allowed & (costs >= self._goals.lowest).all(axis=2) & (
            costs <= self._goals.highest
        ).all(axis=2)

    def _model(self, name: int | str, values: FloatArray) -> GaussianProcess:
        told = np.isfinite(values)
        x, y = self._x[told], values[told]
        return GaussianProcess(self._kernel(name, x, y), x, y)

    def _kernel(self, name: int | str, x: FloatArray, y: FloatArray) -> MaternKernel:
        """Return the kernel that was fitted to the first so many values."""
        count = _last_fit(len(y))
        key = ("kernel", name, count, x[:count].tobytes(), y[:count].tobytes())
        if key not in self._memory:
            self._memory[key] = fit_kernel(x[:count], y[:count], self._features.groups)
        kernel: MaternKernel = self._memory[key]
        return kernel


def _last_fit(n: int) -> int:
    """Return the number of values, of ``n``, by which a kernel is fitted: it grows by a quarter at a time."""
    count = min(_FIRST_FIT, n)
    while (larger := max(int(count * _GROWTH), count + 1)) <= n:
        count = larger
    return count


def _tamed(costs: FloatArray) -> FloatArray:
    """Return costs with very bad ones moved near the others: how bad they are would say the model nothing of good ones."""
    costs = np.clip(costs, -_LARGEST, _LARGEST)
    low, middle, high = np.quantile(costs, [0.25, 0.5, 0.75])
    spread = float(high - low)
    return np.minimum(costs, middle + _TAIL * spread) if spread > 0 else costs
