"""Estimates of ImageNet top-1 accuracy for architectures and for encoded rows of a space.

Both go through the same arithmetic in blocks of equal size, so a network has one estimate, to the
last digit, however many are estimated with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import BoolArray, FloatArray
from mvt_nas.accuracy.imagenet.constants import ImageNetConstants, shipped_constants
from mvt_nas.accuracy.imagenet.domain import Domain
from mvt_nas.accuracy.imagenet.law import (
    STRONG,
    STRONG_P,
    columns,
    form,
    link_slope,
    unlink,
)
from mvt_nas.accuracy.imagenet.model import (
    QUANTILE,
    coordinates,
)
from mvt_nas.accuracy.imagenet.shape import shape_of, shape_of_rows
from mvt_nas.cost.counts import count
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

_BLOCK = 512
"""Networks that are estimated together. The last digit of a matrix product may depend on its shape,
so all products have this one; it also keeps the matrices in the processor's cache."""

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
    """Estimates the accuracy of any network by its costs and its shape.

    Args:
        constants: Law, prior and published results.
        domain: Domain of the estimates.
    """

    def __init__(self, constants: ImageNetConstants, domain: Domain | None = None) -> None:
        model = constants.model()
        networks, prior = model.networks, model.prior
        self._model = model
        self._envelope = constants.envelope
        self._domain = domain or Domain()
        self._features = model.linear.features(networks.law, networks.shape)
        self._points = coordinates(networks.law, networks.shape)
        self._squares = (self._points**2).sum(axis=1)
        # Multiplied by a column of covariances it gives those in units of the observations.
        self._whitening = np.linalg.inv(model.cholesky)
        self._recipe_effect = self._effect_of_recipe()
        # A published model has its own recipe, and a covariance with the observations of its line
        # and of itself.
        self._published = {zoo(name): index for name, index in constants.models.items()}
        self._published_costs = {
            (counts.params, counts.macs) for counts in map(count, self._published)
        }
        self._own = {
            index: prior.line**2 * _matches(networks.line, networks.line[index])
            + prior.network**2 * _matches(networks.network, networks.network[index])
            for index in constants.models.values()
        }

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
        counts = [count(architecture) for architecture in architectures]
        return self._estimate(
            np.array([one.params for one in counts], dtype=np.int64),
            np.array([one.macs for one in counts], dtype=np.int64),
            np.array([architecture.resolution_px for architecture in architectures], dtype=float),
            shape_of(architectures),
            {
                position: self._published[architecture]
                for position, architecture in enumerate(architectures)
                if architecture in self._published
            },
        )

    def of_rows(
        self,
        space: SearchSpace,
        rows: Rows,
        params: NDArray[np.int64],
        macs: NDArray[np.int64],
    ) -> ImageNetEstimates:
        """Return the estimates of encoded architectures.

        Args:
            space: Space of the rows.
            rows: Encoded architectures, (n, dimensions).
            params: Parameters with 1000 classes, (n,).
            macs: MACs with 1000 classes, (n,).
        """
        found = [
            self._of_rows(space, rows[part], params[part], macs[part])
            for part in (
                slice(start, start + _ROWS) for start in range(0, max(len(rows), 1), _ROWS)
            )
        ]
        return ImageNetEstimates(
            *(
                np.concatenate([getattr(part, name) for part in found])
                for name in ImageNetEstimates.__dataclass_fields__
            )
        )

    def _of_rows(
        self,
        space: SearchSpace,
        rows: Rows,
        params: NDArray[np.int64],
        macs: NDArray[np.int64],
    ) -> ImageNetEstimates:
        resolution, shape = shape_of_rows(space, rows)
        return self._estimate(
            params, macs, resolution, shape, self._known_rows(space, rows, params, macs)
        )

    def _known_rows(
        self, space: SearchSpace, rows: Rows, params: NDArray[np.int64], macs: NDArray[np.int64]
    ) -> dict[int, int]:
        """Return the published models among the rows: observation by position."""
        found: dict[int, int] = {}
        # Equal costs are rare, so only few rows have to be decoded.
        for known_params, known_macs in self._published_costs:
            for position in np.flatnonzero((params == known_params) & (macs == known_macs)):
                architecture = space.decode(rows[position])
                if architecture in self._published:
                    found[int(position)] = self._published[architecture]
        return found

    def _estimate(
        self,
        params: NDArray[np.int64],
        macs: NDArray[np.int64],
        resolution_px: FloatArray,
        shape: FloatArray,
        known: dict[int, int],
    ) -> ImageNetEstimates:
        latent = self.latent(params, macs, resolution_px, shape, known)
        return self._assemble(
            params, macs, resolution_px, latent.mean, latent.variance, latent.known
        )

    def latent(
        self,
        params: NDArray[np.int64],
        macs: NDArray[np.int64],
        resolution_px: FloatArray,
        shape: FloatArray,
        known: Mapping[int, int] | None = None,
    ) -> LatentEstimates:
        """Return the estimates of z of networks by their costs with 1000 classes and their shape.

        Args:
            params: Parameters, (n,).
            macs: MACs, (n,).
            resolution_px: Side of the images, (n,).
            shape: Columns of design and shape, (n, columns).
            known: Observation of each network that is a published model, by position.
        """
        known = known or {}
        law = columns(params, macs, resolution_px)
        p = law[:, 1]
        # Each candidate has the better recipe for its size; a published model has its own.
        strong = (self._recipe_effect[0] + self._recipe_effect[1] * p < 0).astype(float)
        for position, index in known.items():
            strong[position] = self._model.networks.law[index, STRONG]
        law[:, STRONG] = strong
        law[:, STRONG_P] = strong * p
        blocks = []
        # Without any network there is one block as well, of which nothing is kept.
        for start in range(0, max(len(law), 1), _BLOCK):
            part = slice(start, start + _BLOCK)
            own = {
                position - start: index
                for position, index in known.items()
                if start <= position < start + _BLOCK
            }
            size = len(law[part])
            found = self._block(_padded(law[part]), _padded(shape[part]), own)
            blocks.append([one[:size] for one in found])
        return LatentEstimates(*(np.concatenate(one) for one in zip(*blocks, strict=True)))

    def covariance(self, one: LatentEstimates, other: LatentEstimates) -> FloatArray:
        """Return the posterior covariance of z of two sets of networks, (n, m).

        It is that of different networks, without their line and their own residuals.
        """
        prior = self._model.prior
        squared = ((one.points[:, None] - other.points[None]) ** 2).sum(axis=-1)
        process = prior.shape**2 * np.exp(-0.5 * squared / prior.length**2)
        result: FloatArray = (
            one.features @ other.features.T + process - one.whitened @ other.whitened.T
        )
        return result

    def _block(
        self, law: FloatArray, shape: FloatArray, known: Mapping[int, int]
    ) -> tuple[FloatArray, ...]:
        """Return the fields of :class:`LatentEstimates` for one block of networks."""
        model, prior = self._model, self._model.prior
        features = model.linear.features(law, shape)
        points = coordinates(law, shape)
        # |a - b|^2 = |a|^2 - 2 a.b + |b|^2, so one product gives all distances.
        squared = (points**2).sum(axis=1)[:, None] - 2 * (points @ self._points.T) + self._squares
        process = prior.shape**2 * np.exp(np.minimum(squared, 1e6) * (-0.5 / prior.length**2))
        shared = features @ self._features.T + process
        for position, index in known.items():
            shared[position] += self._own[index]
        mean = np.sum(law * model.law.mean, axis=1) + form(law) + shared @ model.weights
        prior_variance = (features**2).sum(axis=1) + (
            prior.shape**2 + prior.line**2 + prior.network**2
        )
        whitened = shared @ self._whitening.T
        variance = np.maximum(prior_variance - (whitened**2).sum(axis=1), 0.0)
        explained = ((process @ self._whitening.T) ** 2).sum(axis=1) / prior.shape**2
        return mean, variance, features, points, whitened, explained

    def _assemble(
        self,
        params: NDArray[np.int64],
        macs: NDArray[np.int64],
        resolution_px: FloatArray,
        mean: FloatArray,
        variance: FloatArray,
        explained: FloatArray,
    ) -> ImageNetEstimates:
        prior = self._model.prior
        percent = unlink(mean)
        distance = self._domain.distance(params, macs, resolution_px)
        total = (
            variance
            + (prior.run * link_slope(percent)) ** 2
            + prior.laboratory**2
            + (self._domain.widening * distance.total) ** 2
        )
        half = QUANTILE * np.sqrt(total)
        low, high = unlink(mean + half), unlink(mean - half)
        # The estimate is lowered to what real networks reach; the interval stays as it is.
        percent = np.minimum(percent, self._envelope.best(params, macs))
        return ImageNetEstimates(
            percent=percent.round(_DIGITS),
            low=np.minimum(low, percent).round(_DIGITS),
            high=high.round(_DIGITS),
            beyond=distance.factor.round(_DIGITS),
            known=explained.clip(0.0, 1.0).round(_DIGITS),
            in_domain=(distance.total <= 0) & (explained >= self._domain.least_known),
        )


_ROWS = 16 * _BLOCK
"""Encoded rows whose shapes are computed together."""


def _padded(values: FloatArray) -> FloatArray:
    """Return rows, padded with copies of the first one to :data:`_BLOCK` rows."""
    missing = _BLOCK - len(values)
    if not missing:
        return np.ascontiguousarray(values)
    filling = values[:1] if len(values) else np.zeros((1, values.shape[1]))
    return np.concatenate([values, np.repeat(filling, missing, axis=0)])


def _matches(labels: Sequence[str], label: str) -> FloatArray:
    return np.array([float(one == label) for one in labels])


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
