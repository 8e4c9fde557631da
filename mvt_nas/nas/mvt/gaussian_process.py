"""Exact Gaussian process regression of one costly metric, with a Matérn 5/2 kernel.

Each dimension has its own length scale (ARD). The prior of the length scales grows with the number
of dimensions; without it, a few dozen evaluations in fifty dimensions determine nothing. The noise
has a wide prior. It is fitted from a small start, and from a large one as well where observations
are few.

Source: Rasmussen and Williams, "Gaussian processes for machine learning" (2006), algorithm 2.1 and
section 5.4; the prior after Hvarfner, Hellsten and Nardi, arXiv 2402.02229, with a width chosen on
trained networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_solve, cholesky, solve_triangular
from scipy.linalg.lapack import dpotri
from scipy.optimize import minimize

from mvt_nas._typing import FloatArray, IndexArray

FITTED = 256
"""Largest number of observations used to fit length scales and noise."""

_JITTER = 1e-8
# Priors of the logarithms: standard deviation of a length scale; mean and standard deviation of the
# noise.
_LENGTH_SPREAD = 0.5
_NOISE, _NOISE_SPREAD = -3.0, 2.0
_NOISE_STARTS = (0.01, 0.2)
# Number of observations up to which the second start may end in another optimum than the first.
_FEW = 100
# Bounds of the logarithms of the hyperparameters.
_BOUNDS = {
    "length": (-3.0, 6.0),
    "amplitude": (-4.0, 4.0),
    "noise": (float(np.log(1e-6)), float(np.log(2.0))),
}


@dataclass(frozen=True, slots=True)
class MaternKernel:
    """Matérn 5/2 kernel of standardised values.

    Attributes:
        lengths: Length scales, (groups,).
        amplitude: Variance of the function.
        noise: Variance of the observation noise.
        groups: Group of each feature, (features,).
    """

    lengths: FloatArray
    amplitude: float
    noise: float
    groups: IndexArray

    def __call__(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Return the covariances (n, k) of the function at points (n, features), (k, features)."""
        scale = self.lengths[self.groups]
        correlation, _, _ = _matern(a / scale, b / scale)
        return self.amplitude * correlation


def _matern(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the Matérn 5/2 correlations, the scaled distances, and ``exp(-distance)``, (n, k)."""
    squares = np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1) - 2 * (a @ b.T)
    distance = np.sqrt(5 * np.maximum(squares, 0.0))
    decay = np.exp(-distance)
    return (1 + distance + distance**2 / 3) * decay, distance, decay


def fit_kernel(features: FloatArray, values: FloatArray, groups: IndexArray) -> MaternKernel:
    """Return the maximum a posteriori kernel of values (n,) at points (n, features)."""
    # Many observations are thinned evenly over their order.
    kept = np.unique(np.linspace(0, len(values) - 1, min(len(values), FITTED)).round().astype(int))
    x = features[kept]
    y = _standardize(values[kept])[0]
    count = int(groups.max()) + 1
    bounds = [_BOUNDS["length"]] * count + [_BOUNDS["amplitude"], _BOUNDS["noise"]]
    best = None
    lowest_loss = np.inf
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
        if best is None or found.fun < lowest_loss:
            best = found.x
            lowest_loss = float(found.fun)
    assert best is not None
    return MaternKernel(
        lengths=np.exp(best[:count]),
        amplitude=float(np.exp(best[count])),
        noise=float(np.exp(best[count + 1])),
        groups=groups,
    )


def _loss(
    theta: FloatArray, x: FloatArray, y: FloatArray, groups: IndexArray
) -> tuple[float, FloatArray]:
    """Return the negative log posterior of hyperparameters, and its gradient.

    Args:
        theta: Logarithms of the length scales, the amplitude and the noise, (groups + 2,).
        x: Features, (n, features).
        y: Standardised values, (n,).
        groups: Group of each feature, (features,).
    """
    count = len(theta) - 2
    n = len(y)
    scaled = x * np.exp(-theta[:count])[groups]
    amplitude = np.exp(theta[count])
    noise = np.exp(theta[count + 1])
    correlation, distance, decay = _matern(scaled, scaled)
    try:
        factor = cholesky(amplitude * correlation + (noise + _JITTER) * np.eye(n), lower=True)
    except LinAlgError:
        return 1e10, np.zeros_like(theta)
    weights = cho_solve((factor, True), y)
    # The derivative of the log likelihood is half the trace of this matrix times the derivative of
    # the covariance (Rasmussen and Williams, equation 5.9).
    outer = np.outer(weights, weights) - _inverse(factor)
    # The derivative by a log length is a sum over pairs of (difference in that dimension)^2, which
    # needs no loop over dimensions.
    pairs = outer * (5 / 3 * amplitude) * (1 + distance) * decay
    by_feature = pairs.sum(axis=1) @ scaled**2 - np.einsum("ij,ij->j", scaled, pairs @ scaled)
    by_length = np.bincount(groups, by_feature, minlength=count)
    by_amplitude = 0.5 * amplitude * np.sum(outer * correlation)
    by_noise = 0.5 * noise * np.trace(outer)
    gradient = np.concatenate([by_length, [by_amplitude, by_noise]])
    # The log length scales have the prior mean log(sqrt(dimensions)).
    prior_mean = np.concatenate([np.full(count, 0.5 * np.log(count)), [0.0, _NOISE]])
    prior_spread = np.concatenate([np.full(count, _LENGTH_SPREAD), [1.0, _NOISE_SPREAD]])
    prior = (theta - prior_mean) / prior_spread
    likelihood = -0.5 * float(y @ weights) - float(np.log(np.diag(factor)).sum())
    return -(likelihood - 0.5 * float(prior @ prior)), -(gradient - prior / prior_spread)


def _inverse(factor: FloatArray) -> FloatArray:
    """Return the inverse (n, n) of the matrix with a given lower Cholesky factor."""
    # dpotri fills the lower triangle only.
    lower = np.tril(dpotri(factor, lower=1)[0])
    return np.asarray(lower + np.tril(lower, -1).T)


def _standardize(values: FloatArray) -> tuple[FloatArray, float, float]:
    """Return values with mean 0 and standard deviation 1, their mean, and their deviation."""
    center = float(values.mean())
    scale = max(float(values.std()), 1e-12)
    return (values - center) / scale, center, scale


class GaussianProcess:
    """Posterior of a function given observations.

    Args:
        kernel: Kernel of the standardised values.
        features: Observed points, (n, features).
        values: Observed values, (n,).

    Attributes:
        scale: Standard deviation of the values.
    """

    def __init__(self, kernel: MaternKernel, features: FloatArray, values: FloatArray) -> None:
        standardized, self._center, self.scale = _standardize(values)
        covariance = kernel(features, features)
        covariance[np.diag_indices_from(covariance)] += kernel.noise + _JITTER
        self._kernel = kernel
        self._features = features
        self._factor = cholesky(covariance, lower=True)
        self._weights = cho_solve((self._factor, True), standardized)

    def mean(self, points: FloatArray) -> FloatArray:
        """Return the posterior mean (k,) at points (k, features)."""
        across = self._kernel(points, self._features)
        return np.asarray(self._center + self.scale * (across @ self._weights))

    def moments(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return mean and standard deviation (k,) of the function, without noise, at points."""
        across = self._kernel(points, self._features)
        spread = solve_triangular(self._factor, across.T, lower=True, check_finite=False)
        variance = np.maximum(self._kernel.amplitude - np.sum(spread**2, axis=0), 1e-10)
        return self._center + self.scale * (across @ self._weights), self.scale * np.sqrt(variance)

    def samples(self, points: FloatArray, normal: FloatArray) -> FloatArray:
        """Return joint samples (s, k) of the function.

        Args:
            points: Points to sample at, (k, features).
            normal: Standard normal numbers, (s, k).
        """
        across = self._kernel(points, self._features)
        spread = solve_triangular(self._factor, across.T, lower=True, check_finite=False)
        covariance = self._kernel(points, points) - spread.T @ spread
        # Posterior covariances of near-equal points are nearly singular.
        covariance[np.diag_indices_from(covariance)] += 1e-6 * self._kernel.amplitude
        mean = self._center + self.scale * (across @ self._weights)
        return np.asarray(mean + self.scale * (normal @ cholesky(covariance, lower=True).T))
