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
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from mvt_nas._typing import FloatArray
from mvt_nas.accuracy.imagenet.estimator import ImageNetEstimator, LatentEstimates, in_blocks
from mvt_nas.accuracy.imagenet.law import link
from mvt_nas.accuracy.imagenet.model import process_covariance
from mvt_nas.accuracy.imagenet.shape import NetworkSizes
from mvt_nas.accuracy.surrogate import AccuracyEstimates
from mvt_nas.accuracy.trained_networks import DistinctNetworks
from mvt_nas.metrics.binomial import Z_90
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
        sizes = NetworkSizes.of(networks.architectures)
        self._base = base
        self._latent = base.latent(sizes)
        percent = np.clip(networks.accuracy, _CLOSEST_TO_ENDS, _CEILING - _CLOSEST_TO_ENDS)
        self._targets = _own_link(percent)
        binomial = percent * (_CEILING - percent) / validation_images
        seeds = networks.seed_sd or _DEFAULT_SEED_SD
        # A point of accuracy is this much in z_own.
        slope = _CEILING / (percent * (_CEILING - percent))
        noise = slope**2 * (binomial + seeds**2)
        # A new training has the noise of an average one.
        self._noise = float(noise.mean())
        covariance = self._covariance(self._latent, self._latent) + np.diag(noise)
        self._inverse = np.linalg.inv(covariance)
        # Before any training z_own is ImageNet's z, with the free level.
        self._weights: FloatArray = self._inverse @ (self._targets - self._latent.mean)
        logs = _log_sizes(sizes)
        self._low, self._high = logs.min(axis=0), logs.max(axis=0)

    def predict(self, architectures: Sequence[Architecture]) -> AccuracyEstimates:
        """Return the estimates of architectures, given as trained."""
        return self.predict_sizes(NetworkSizes.of(architectures))

    def predict_sizes(self, sizes: NetworkSizes) -> AccuracyEstimates:
        """Return the estimates of networks, given as trained."""
        latent = self._base.latent(sizes)
        mean, half = in_blocks(self._block, *(getattr(latent, one.name) for one in fields(latent)))
        logs = _log_sizes(sizes)
        distance = np.maximum(self._low - logs, logs - self._high).max(axis=1)
        return AccuracyEstimates(
            percent=_own_unlink(mean).round(_DIGITS),
            low=_own_unlink(mean + half).round(_DIGITS),
            high=_own_unlink(mean - half).round(_DIGITS),
            beyond=np.exp(distance.clip(min=0.0)),
        )

    def _block(self, *columns: FloatArray) -> tuple[FloatArray, ...]:
        """Return mean and half width of the 90 % interval of z_own for one block of networks."""
        latent = LatentEstimates(*columns)
        shared = self._covariance(latent, self._latent)
        scaled = _FACTOR_SD**2 * (latent.mean - _Z0) ** 2
        prior_variance = _LEVEL_SD**2 + scaled + _OWN_SHAPE_SD**2 + latent.variance
        variance = prior_variance - np.sum((shared @ self._inverse) * shared, axis=1)
        half = Z_90 * np.sqrt(np.maximum(variance, 0.0) + self._noise)
        return latent.mean + shared @ self._weights, half

    def leave_one_out(self) -> HeldOutTrainings:
        """Return the prediction of each trained network by the others."""
        # The closed form of leaving one observation out of a Gaussian process.
        variance = 1.0 / np.diag(self._inverse)
        mean = self._targets - self._weights * variance
        inside = np.abs(self._targets - mean) <= Z_90 * np.sqrt(variance)
        return HeldOutTrainings(_own_unlink(mean), int(inside.sum()))

    def _covariance(self, one: LatentEstimates, other: LatentEstimates) -> FloatArray:
        """Return the prior covariance of z_own of two sets of networks, (n, m)."""
        own = process_covariance(one.points, other.points, _OWN_SHAPE_SD, _OWN_LENGTH)
        scaled = _FACTOR_SD**2 * np.outer(one.mean - _Z0, other.mean - _Z0)
        result: FloatArray = _LEVEL_SD**2 + scaled + own + self._base.covariance(one, other)
        return result


def _own_link(percent: ArrayLike) -> FloatArray:
    values = np.asarray(percent, dtype=float)
    result: FloatArray = np.log((_CEILING - values) / values)
    return result


def _own_unlink(z: FloatArray) -> FloatArray:
    result: FloatArray = _CEILING / (1.0 + np.exp(z))
    return result


def _log_sizes(sizes: NetworkSizes) -> FloatArray:
    """Return the logarithms of parameters and MACs, (n, 2)."""
    result: FloatArray = np.log(np.column_stack([sizes.params, sizes.macs]).astype(float))
    return result
