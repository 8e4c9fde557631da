"""Estimates of ImageNet top-1 accuracy for architectures and for encoded rows of a space.

Both go through the same arithmetic in blocks of equal size, so a network has one estimate, to the
last digit, however many are estimated with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import BoolArray, FloatArray, IndexArray
from mvt_nas.accuracy.imagenet.constants import ImageNetConstants, shipped_constants
from mvt_nas.accuracy.imagenet.domain import Domain
from mvt_nas.accuracy.imagenet.law import (
    STRONG,
    STRONG_P,
    columns,
    link_slope,
    unlink,
)
from mvt_nas.accuracy.imagenet.model import coordinates, process_covariance
from mvt_nas.accuracy.imagenet.shape import NetworkSizes
from mvt_nas.cost.counts import count
from mvt_nas.cost.table import Costs
from mvt_nas.metrics.binomial import Z_90
from mvt_nas.metrics.names import (
    IMAGENET,
    IMAGENET_HIGH,
    IMAGENET_IN_DOMAIN,
    IMAGENET_LOW,
)
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.columns import Rows
from mvt_nas.space.published import zoo
from mvt_nas.space.search_space import SearchSpace

NOT_PUBLISHED = -1
"""In place of an observation's index, for a network that is no published model."""

# Networks that are estimated together: their matrices fit into the processor's cache.
_BLOCK = 512

_DIGITS = 6


@dataclass(frozen=True, slots=True)
class ImageNetEstimates:
    """Estimates of ImageNet-1k top-1 accuracy, trained at the networks' own resolution.

    Attributes:
        percent: Estimates in percent, (n,), never above the best published network of 1.25 times
            the parameters and MACs.
        low: Lower ends of the 90 % intervals, (n,).
        high: Upper ends of the 90 % intervals, (n,).
        beyond: Factor by which parameters, MACs or resolution leave the domain, (n,); 1 inside.
        known: Share of the variance of the shape that published networks explain, 0 to 1, (n,).
        in_domain: Whether the estimates hold, (n,): within the domain, and the shape is not unlike
            all that was published.
    """

    percent: FloatArray
    low: FloatArray
    high: FloatArray
    beyond: FloatArray
    known: FloatArray
    in_domain: BoolArray

    def __len__(self) -> int:
        return len(self.percent)


@dataclass(frozen=True, slots=True)
class LatentEstimates:
    """Estimates of z for networks, with what their covariance follows from.

    Attributes:
        mean: Means of z, (n,).
        variance: Variances of z, (n,).
        features: Features of the linear terms, (n, features).
        points: Coordinates of the process over shapes, (n, coordinates).
        whitened: Covariances with the observations in units of these, (n, observations).
        known: Share of the variance of the shape that the observations explain, (n,).
    """

    mean: FloatArray
    variance: FloatArray
    features: FloatArray
    points: FloatArray
    whitened: FloatArray
    known: FloatArray


class ImageNetEstimator:
    """Estimates the accuracy of any network by its size and its shape.

    Args:
        constants: Law, prior and published results.
        domain: Domain of the estimates.
    """

    def __init__(self, constants: ImageNetConstants, domain: Domain | None = None) -> None:
        model = constants.model()
        networks = model.networks
        self._model = model
        self._envelope = constants.envelope
        self._domain = domain or Domain()
        self._features = model.linear.features(networks.law, networks.shape)
        self._points = coordinates(networks.law, networks.shape)
        # Multiplied by a column of covariances it gives those in units of the observations.
        self._whitening = np.linalg.inv(model.cholesky)
        self._recipe_effect = self._effect_of_recipe()
        self._published = {zoo(name): index for name, index in constants.models.items()}
        self._published_costs = {
            (counts.params, counts.macs) for counts in map(count, self._published)
        }
        self._own = model.own_covariance(networks, networks)

    def _effect_of_recipe(self) -> tuple[float, float]:
        """Return intercept and slope on P of the effect of strong augmentation on z."""
        model = self._model
        zero = np.zeros((1, model.networks.law.shape[1]))
        no_shape = np.zeros((1, model.networks.shape.shape[1]))
        base = model.linear.features(zero, no_shape)
        effects = []
        for column in (STRONG, STRONG_P):
            one = zero.copy()
            one[0, column] = 1.0
            change = model.linear.features(one, no_shape) - base
            effects.append(
                float((change @ self._features.T @ model.weights)[0] + model.law.mean[column])
            )
        return effects[0], effects[1]

    def of(self, architectures: Sequence[Architecture]) -> ImageNetEstimates:
        """Return the estimates of architectures."""
        published = [self._published.get(one, NOT_PUBLISHED) for one in architectures]
        return self._estimate(NetworkSizes.of(architectures), np.array(published, dtype=np.intp))

    def of_rows(self, space: SearchSpace, rows: Rows, costs: Costs) -> ImageNetEstimates:
        """Return the estimates of encoded architectures.

        Args:
            space: Space of the rows.
            rows: Encoded architectures, (n, dimensions).
            costs: Their costs with 1000 classes.
        """
        sizes = NetworkSizes.of_rows(space, rows, costs)
        published = np.full(len(rows), NOT_PUBLISHED, dtype=np.intp)
        # Costs equal to a published model's are rare, so only few rows have to be decoded.
        for params, macs in self._published_costs:
            for row in np.flatnonzero((costs.params == params) & (costs.macs == macs)):
                published[row] = self._published.get(space.decode(rows[row]), NOT_PUBLISHED)
        return self._estimate(sizes, published)

    def _estimate(self, sizes: NetworkSizes, published: IndexArray) -> ImageNetEstimates:
        latent = self.latent(sizes, published)
        prior = self._model.prior
        percent = unlink(latent.mean)
        distance = self._domain.distance(sizes.params, sizes.macs, sizes.resolution_px)
        variance = (
            latent.variance
            + (prior.run * link_slope(percent)) ** 2
            + prior.laboratory**2
            + (self._domain.widening * distance.total) ** 2
        )
        half = Z_90 * np.sqrt(variance)
        low, high = unlink(latent.mean + half), unlink(latent.mean - half)
        # The estimate is lowered to what real networks reach; the interval stays as it is.
        percent = np.minimum(percent, self._envelope.best(sizes.params, sizes.macs))
        return ImageNetEstimates(
            percent=percent.round(_DIGITS),
            low=np.minimum(low, percent).round(_DIGITS),
            high=high.round(_DIGITS),
            beyond=distance.factor.round(_DIGITS),
            known=latent.known.clip(0.0, 1.0).round(_DIGITS),
            in_domain=(distance.total <= 0) & (latent.known >= self._domain.least_known),
        )

    def latent(self, sizes: NetworkSizes, published: IndexArray | None = None) -> LatentEstimates:
        """Return the estimates of z of networks.

        Args:
            sizes: Size and shape of n networks.
            published: Observation of each network that is a published model, :data:`NOT_PUBLISHED`
                for others, (n,); by default none is one.
        """
        if published is None:
            published = np.full(len(sizes), NOT_PUBLISHED, dtype=np.intp)
        law = columns(sizes.params, sizes.macs, sizes.resolution_px)
        p = law[:, 1]
        # Each candidate has the better recipe for its size; a published model has its own.
        better = self._recipe_effect[0] + self._recipe_effect[1] * p < 0
        own = self._model.networks.law[published, STRONG]
        law[:, STRONG] = np.where(published == NOT_PUBLISHED, better, own)
        law[:, STRONG_P] = law[:, STRONG] * p
        return LatentEstimates(*in_blocks(self._block, law, sizes.shape, published))

    def _block(
        self, law: FloatArray, shape: FloatArray, published: IndexArray
    ) -> tuple[FloatArray, ...]:
        """Return the fields of :class:`LatentEstimates` for one block of networks."""
        model, prior = self._model, self._model.prior
        features = model.linear.features(law, shape)
        points = coordinates(law, shape)
        process = process_covariance(points, self._points, prior.shape, prior.length)
        shared = features @ self._features.T + process
        # A published model also shares its line and its own residual with the observations.
        models = np.flatnonzero(published != NOT_PUBLISHED)
        shared[models] += self._own[published[models]]
        mean = model.law.z(law) + shared @ model.weights
        prior_variance = (features**2).sum(axis=1) + (
            prior.shape**2 + prior.line**2 + prior.network**2
        )
        whitened = shared @ self._whitening.T
        variance = np.maximum(prior_variance - (whitened**2).sum(axis=1), 0.0)
        known = ((process @ self._whitening.T) ** 2).sum(axis=1) / prior.shape**2
        return mean, variance, features, points, whitened, known

    def covariance(self, one: LatentEstimates, other: LatentEstimates) -> FloatArray:
        """Return the posterior covariance of z of two sets of networks, (n, m).

        It is that of different networks, without their line and their own residuals.
        """
        prior = self._model.prior
        process = process_covariance(one.points, other.points, prior.shape, prior.length)
        result: FloatArray = (
            one.features @ other.features.T + process - one.whitened @ other.whitened.T
        )
        return result


def in_blocks(
    work: Callable[..., tuple[FloatArray, ...]], *arrays: NDArray[Any]
) -> tuple[FloatArray, ...]:
    """Return what a function gives for n networks, computed in blocks of equal size.

    The last digit of a matrix product may depend on its shape. In blocks of equal size a network
    has one result, however many are computed with it.

    Args:
        work: Function of arrays with a row per network, to arrays with a row per network.
        arrays: Its arguments, (n, ...) each.
    """
    n = len(arrays[0])
    blocks = []
    # Without any network there is one block as well, of which nothing is kept.
    for start in range(0, max(n, 1), _BLOCK):
        parts = [array[start : start + _BLOCK] for array in arrays]
        size = len(parts[0])
        blocks.append([result[:size] for result in work(*map(_padded, parts))])
    return tuple(np.concatenate(results) for results in zip(*blocks, strict=True))


def _padded(values: NDArray[Any]) -> NDArray[Any]:
    """Return rows, padded with copies of the first one, or with zeros, to a block."""
    missing = _BLOCK - len(values)
    if not missing:
        return np.ascontiguousarray(values)
    filling = values[:1] if len(values) else np.zeros((1, *values.shape[1:]), values.dtype)
    return np.concatenate([values, np.repeat(filling, missing, axis=0)])


@cache
def default_estimator() -> ImageNetEstimator:
    """Return the estimator with the shipped constants.

    Raises:
        AccuracyError: The shipped constants are missing or damaged.
    """
    return ImageNetEstimator(shipped_constants())


def imagenet_metrics(estimates: ImageNetEstimates) -> dict[str, FloatArray]:
    """Return estimates by the names of their metrics, (n,) each."""
    return {
        IMAGENET: estimates.percent,
        IMAGENET_LOW: estimates.low,
        IMAGENET_HIGH: estimates.high,
        IMAGENET_IN_DOMAIN: estimates.in_domain.astype(float),
    }


def imagenet_top1(architectures: Sequence[Architecture]) -> ImageNetEstimates:
    """Return the estimates of architectures, trained and evaluated at their own resolution.

    Raises:
        AccuracyError: The shipped constants are missing or damaged.
    """
    return default_estimator().of(architectures)
