"""A Gaussian process for one costly metric: Matérn 5/2, a length for each dimension, noise; exact, in a few matrix products.

The lengths have a prior that grows with the number of dimensions, without which a few dozen
evaluations in fifty dimensions say nothing; the noise has a wide one, and is fitted from a small
start, where values are few also from a large one.

Source: Rasmussen and Williams, "Gaussian processes for machine learning" (2006), algorithm 2.1 and
section 5.4; the prior after Hvarfner, Hellsten and Nardi, arXiv 2402.02229, with a width chosen on
trained networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve, cholesky, solve_triangular
from scipy.linalg.lapack import dpotri
from scipy.optimize import minimize

from mvt_nas._typing import FloatArray

FITTED = 256
"""The most observations by which lengths and noise are fitted."""

_JITTER = 1e-8
_LENGTH_SPREAD = 0.5
_NOISE, _NOISE_SPREAD = -3.0, 2.0
_NOISE_STARTS = (0.01, 0.2)
_FEW = 100  # observations up to which the second start may end elsewhere than the first
_BOUNDS = {
    "length": (-3.0, 6.0),
    "amplitude": (-4.0, 4.0),
    "noise": (float(np.log(1e-6)), float(np.log(2.0))),
}


@dataclass(frozen=True, slots=True)
class MaternKernel:
    """The kernel of standardised values.

    Attributes:
        lengths: (groups,), of which each feature belongs to one.
        amplitude: variance of the function.
        noise: variance of an observation beyond it.
        groups: (features,), the group of each feature.
    """

    lengths: FloatArray
    amplitude: float
    noise: float
    groups: NDArray[np.intp]

    def __call__(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Return the covariances (n, k) of the function at points (n, features) and (k, features)."""
        scale = self.lengths[self.groups]
        covariance, _, _ = _matern(a / scale, b / scale)
        return self.amplitude * covariance


def _matern(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the Matérn 5/2 correlations, the scaled distances, and their exponentials, all (n, k)."""
    squares = np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1) - 2 * (a @ b.T)
    distance = np.sqrt(5 * np.maximum(squares, 0.0))
    decay = np.exp(-distance)
    return (1 + distance + distance**2 / 3) * decay, distance, decay


def fit_kernel(features: FloatArray, values: FloatArray, groups: NDArray[np.intp]) -> MaternKernel:
    """Return the most probable kernel of values (n,) at points (n, features)."""
    kept = np.unique(np.linspace(0, len(values) - 1, min(len(values), FITTED)).round().astype(int))
    x, y = features[kept], _standard(values[kept])[0]
    count = int(groups.max()) + 1
    bounds = [_BOUNDS["length"]] * count + [_BOUNDS["amplitude"], _BOUNDS["noise"]]
    best, least = None, np.inf
    for noise in _NOISE_STARTS if len(y) <= _FEW else _NOISE_STARTS[:1]:
        start = np.concatenate([np.full(count, 0.5 * np.log(count)), [0.0, np.log(noise)]])
        found = minimize(
            _loss,
            start,
            args=(x, y, groups),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": 60},
        )
        if best is None or found.fun < least:
            best, least = found.x, float(found.fun)
    assert best is not None
    return MaternKernel(
        np.exp(best[:count]), float(np.exp(best[count])), float(np.exp(best[count + 1])), groups
    )


def _loss(
    theta: FloatArray, x: FloatArray, y: FloatArray, groups: NDArray[np.intp]
) -> tuple[float, FloatArray]:
    """Return the negative log posterior of logarithms of lengths, amplitude and noise, and its gradient."""
    count, n = len(theta) - 2, len(y)
    scaled = x * np.exp(-theta[:count])[groups]
    amplitude, noise = np.exp(theta[count]), np.exp(theta[count + 1])
    correlation, distance, decay = _matern(scaled, scaled)
    try:
        factor = cholesky(amplitude * correlation + (noise + _JITTER) * np.eye(n), lower=True)
    except LinAlgError:
        return 1e10, np.zeros_like(theta)
    weights = cho_solve((factor, True), y)
    outer = np.outer(weights, weights) - _inverse(factor)
    # The derivative by a log length is a sum over pairs of (difference in that dimension)^2, which
    # needs no loop over dimensions.
    pairs = outer * (5 / 3 * amplitude) * (1 + distance) * decay
    by_feature = pairs.sum(axis=1) @ scaled**2 - np.einsum("ij,ij->j", scaled, pairs @ scaled)
    gradient = np.concatenate(
        [
            np.bincount(groups, by_feature, minlength=count),
            [0.5 * amplitude * np.sum(outer * correlation), 0.5 * noise * np.trace(outer)],
        ]
    )
    centre = np.concatenate([np.full(count, 0.5 * np.log(count)), [0.0, _NOISE]])
    spread = np.concatenate([np.full(count, _LENGTH_SPREAD), [1.0, _NOISE_SPREAD]])
    prior = (theta - centre) / spread
    likelihood = -0.5 * float(y @ weights) - float(np.log(np.diag(factor)).sum())
    return -(likelihood - 0.5 * float(prior @ prior)), -(gradient - prior / spread)


def _inverse(factor: FloatArray) -> FloatArray:
    """Return the inverse of the matrix whose lower Cholesky factor is given, (n, n)."""
    lower = np.tril(dpotri(factor, lower=1)[0])
    return np.asarray(lower + np.tril(lower, -1).T)


def _standard(values: FloatArray) -> tuple[FloatArray, float, float]:
    centre, scale = float(values.mean()), max(float(values.std()), 1e-12)
    return (values - centre) / scale, centre, scale


class GaussianProcess:
    """The function given observations.

    Args:
        kernel: of the standardised values.
        features: (n, features).
        values: (n,).

    Attributes:
        scale: standard deviation of the values.
    """

    def __init__(self, kernel: MaternKernel, features: FloatArray, values: FloatArray) -> None:
        standard, self._centre, self.scale = _standard(values)
        covariance = kernel(features, features)
        covariance[np.diag_indices_from(covariance)] += kernel.noise + _JITTER
        self._kernel, self._features = kernel, features
        self._factor = cholesky(covariance, lower=True)
        self._weights = cho_solve((self._factor, True), standard)

    def mean(self, points: FloatArray) -> FloatArray:
        """Return the mean of the function at points (k, features), (k,)."""
        return np.asarray(
            self._centre + self.scale * (self._kernel(points, self._features) @ self._weights)
        )

    def moments(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return mean and standard deviation of the function at points (k, features), (k,) each; the noise is not in it."""
        across = self._kernel(points, self._features)
        spread = solve_triangular(self._factor, across.T, lower=True, check_finite=False)
        variance = np.maximum(self._kernel.amplitude - np.sum(spread**2, axis=0), 1e-10)
        return self._centre + self.scale * (across @ self._weights), self.scale * np.sqrt(variance)

    def samples(self, points: FloatArray, normal: FloatArray) -> FloatArray:
        """Return joint samples (s, k) of the function at points (k, features) from standard normal numbers (s, k)."""
        across = self._kernel(points, self._features)
        spread = solve_triangular(self._factor, across.T, lower=True, check_finite=False)
        covariance = self._kernel(points, points) - spread.T @ spread
        covariance[np.diag_indices_from(covariance)] += 1e-6 * self._kernel.amplitude
        mean = self._centre + self.scale * (across @ self._weights)
        return np.asarray(mean + self.scale * (normal @ cholesky(covariance, lower=True).T))
