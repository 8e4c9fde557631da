"""Accuracy on a user's own data, from a handful of trainings and everything published.

Another dataset has another level and another scale, but what ImageNet says about sizes and designs
is a good guess of the differences. So a user's trainings are further observations of the same
model, with a free level, a factor near 1 for the effect of ImageNet's z, and a process of their
own over shape, design and size:

    z_own = log((100 - accuracy) / accuracy)
    z_own = level + factor * (z - Z0) + own process + noise

Everything is Gaussian, and the factor acts on the mean of z only, so the posterior is one linear
solve. With more trainings, their own process takes over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mvt_nas._typing import FloatArray
from mvt_nas.accuracy.imagenet.estimator import ImageNetEstimator, LatentEstimates
from mvt_nas.accuracy.imagenet.law import link
from mvt_nas.accuracy.imagenet.model import QUANTILE
from mvt_nas.accuracy.imagenet.shape import shape_of
from mvt_nas.accuracy.surrogate import AccuracyEstimates
from mvt_nas.accuracy.trained_networks import DistinctNetworks
from mvt_nas.cost.counts import count
from mvt_nas.space.architecture import Architecture

LEAST_TRAININGS = 3
"""Fewest trained networks that say anything about another dataset."""

_CEILING = 100.0
_Z0 = float(link(75.0))
"""ImageNet's z around which the factor acts: a network in the middle of the published ones."""

# Standard deviations in z. The level is free within 5 to 95 %.
_LEVEL_SD = 1.5
_FACTOR_SD = 0.4
_OWN_SHAPE_SD = 0.15
_OWN_LENGTH = 2.5
# Between seeds, in percentage points, where no network was trained twice.
_DEFAULT_SEED_SD = 1.0
_CLOSEST_TO_ENDS = 0.5
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class HeldOutTrainings:
    """Predictions of a user's trainings, each by the others.

    Attributes:
        percent: Predictions in percent, (n,).
        inside: Number of accuracies in their 90 % intervals.
    """

    percent: FloatArray
    inside: int


class OwnDataModel:
    """Predicts the accuracy of architectures under the protocol of a user's table.

    Args:
        networks: Trained networks, at least :data:`LEAST_TRAININGS`.
        base: Estimator of ImageNet accuracy.
        validation_images: Images that each accuracy was measured on.
    """

    def __init__(
        self, networks: DistinctNetworks, base: ImageNetEstimator, validation_images: int
    ) -> None:
        self._base = base
        self._latent = base.latent(*_sizes(networks.architectures))
        percent = np.clip(networks.accuracy, _CLOSEST_TO_ENDS, _CEILING - _CLOSEST_TO_ENDS)
        self._targets = _own_link(percent)
        slope = _CEILING / (percent * (_CEILING - percent))
        share = percent / _CEILING
        binomial = _CEILING * np.sqrt(share * (1 - share) / validation_images)
        seeds = networks.seed_sd or _DEFAULT_SEED_SD
        self._noise = slope**2 * (binomial**2 + seeds**2)
        # Before any training the own z is that of ImageNet, with the free level.
        self._residuals = self._targets - self._prior_mean(self._latent)
        covariance = self._covariance(self._latent, self._latent) + np.diag(self._noise)
        self._inverse = np.linalg.inv(covariance)
        self._weights: FloatArray = self._inverse @ self._residuals
        self._seed_noise = float(np.mean(self._noise))
        logs = np.log([[float(p), float(m)] for p, m in _costs(networks.architectures)])
        self._low, self._high = logs.min(axis=0), logs.max(axis=0)

    def predict(self, architectures: Sequence[Architecture]) -> AccuracyEstimates:
        """Return the estimates of architectures, given as trained."""
        return self.predict_sizes(*_sizes(architectures))

    def predict_sizes(
        self,
        params: NDArray[np.int64],
        macs: NDArray[np.int64],
        resolution_px: FloatArray,
        shape: FloatArray,
    ) -> AccuracyEstimates:
        """Return the estimates of networks as trained, by their costs with 1000 classes and shape.

        Args:
            params: Parameters, (n,).
            macs: MACs, (n,).
            resolution_px: Side of the images, (n,).
            shape: Columns of design and shape, (n, columns).
        """
        latent = self._base.latent(params, macs, resolution_px, shape)
        shared = self._covariance(latent, self._latent)
        mean = self._prior_mean(latent) + shared @ self._weights
        variance = self._prior_variance(latent) - np.sum((shared @ self._inverse) * shared, axis=1)
        half = QUANTILE * np.sqrt(np.maximum(variance, 0.0) + self._seed_noise)
        sizes = np.log(np.column_stack([params, macs]).astype(float))
        distance = np.maximum(self._low - sizes, sizes - self._high).max(axis=1)
        return AccuracyEstimates(
            percent=_own_unlink(mean).round(_DIGITS),
            low=_own_unlink(mean + half).round(_DIGITS),
            high=_own_unlink(mean - half).round(_DIGITS),
            beyond=np.exp(distance.clip(min=0.0)),
        )

    def leave_one_out(self) -> HeldOutTrainings:
        """Return the prediction of each trained network by the others."""
        # The closed form of leaving one observation out of a Gaussian process.
        variance = 1.0 / np.diag(self._inverse)
        mean = self._targets - self._weights * variance
        inside = np.abs(self._targets - mean) <= QUANTILE * np.sqrt(variance)
        return HeldOutTrainings(_own_unlink(mean), int(inside.sum()))

    def _prior_mean(self, latent: LatentEstimates) -> FloatArray:
        return latent.mean

    def _covariance(self, one: LatentEstimates, other: LatentEstimates) -> FloatArray:
        """Return the prior covariance of z_own of two sets of networks, (n, m)."""
        squared = ((one.points[:, None] - other.points[None]) ** 2).sum(axis=-1)
        own = _OWN_SHAPE_SD**2 * np.exp(-0.5 * squared / _OWN_LENGTH**2)
        scaled = _FACTOR_SD**2 * np.outer(one.mean - _Z0, other.mean - _Z0)
        result: FloatArray = _LEVEL_SD**2 + scaled + own + self._base.covariance(one, other)
        return result

    def _prior_variance(self, latent: LatentEstimates) -> FloatArray:
        scaled = _FACTOR_SD**2 * (latent.mean - _Z0) ** 2
        result: FloatArray = _LEVEL_SD**2 + scaled + _OWN_SHAPE_SD**2 + latent.variance
        return result


def _own_link(percent: ArrayLike) -> FloatArray:
    values = np.asarray(percent, dtype=float)
    result: FloatArray = np.log((_CEILING - values) / values)
    return result


def _own_unlink(z: FloatArray) -> FloatArray:
    result: FloatArray = _CEILING / (1.0 + np.exp(z))
    return result


def _costs(architectures: Sequence[Architecture]) -> list[tuple[int, int]]:
    """Return parameters and MACs with 1000 classes of each architecture."""
    counts = [count(architecture) for architecture in architectures]
    return [(int(one.params), int(one.macs)) for one in counts]


def _sizes(
    architectures: Sequence[Architecture],
) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray, FloatArray]:
    costs = _costs(architectures)
    return (
        np.array([params for params, _ in costs], dtype=np.int64),
        np.array([macs for _, macs in costs], dtype=np.int64),
        np.array([architecture.resolution_px for architecture in architectures], dtype=float),
        shape_of(architectures),
    )
