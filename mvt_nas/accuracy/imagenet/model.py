"""MobileViT as one more family of the scaling law: a Gaussian process in closed form.

Every term is Gaussian, so the estimate is one linear solve over the published results of
architectures (the 19 models, 384 px, the papers' ablations, MobileNetV2). The terms are

- the law (:mod:`mvt_nas.accuracy.imagenet.law`), fitted to the other families;
- an intercept, a slope, a bend and effects of the recipe of all architectures of this package;
- the line of designs (v1, v2, v3, MobileNetV2) and the effects of designs, averaged over blocks;
- a process over shape, design and size: networks that look alike differ alike from the law;
- the network, the run, and the level of a paper's own table.

Ablations have a level of their own per table, so they teach differences and no level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.accuracy.imagenet.law import (
    STRONG,
    STRONG_P,
    STRONG_RECIPE,
    ScalingLaw,
    columns,
    link,
    link_slope,
    unlink,
)
from mvt_nas.accuracy.imagenet.shape import DESIGN, SHAPE, NetworkSizes
from mvt_nas.metrics.binomial import Z_90
from mvt_nas.space.architecture import Architecture


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """Standard deviations of the terms in z, where not said otherwise.

    Attributes:
        intercept: Intercept of MobileViT in the law.
        slope: Slope on the logarithm of parameters.
        strong: Effect of strong augmentation beyond the law's.
        strong_slope: Its slope on the logarithm of parameters.
        bend: Coefficient of log(1 + exp(P + M)) / 2, which bends the law for large networks.
        resolution: Coefficient of the logarithm of the resolution, beyond its effect on MACs.
        resolution_squared: Coefficient of the square of that logarithm.
        line: Line of designs.
        blocks: Share of stages with a block.
        design: Each other effect of a design.
        shape: Process over shape, design and size.
        length: Length scale of that process.
        network: Network, beyond everything else.
        run: Run of the training, in percentage points.
        table: Level of a paper's own table.
        laboratory: Laboratory and details of the recipe, which all candidates share.
    """

    intercept: float = 0.23
    slope: float = 0.07
    strong: float = 0.1
    strong_slope: float = 0.1
    bend: float = 0.05
    resolution: float = 0.05
    resolution_squared: float = 0.05
    line: float = 0.04
    blocks: float = 0.15
    design: float = 0.06
    shape: float = 0.2
    length: float = 2.5
    network: float = 0.025
    run: float = 0.12
    table: float = 0.3
    laboratory: float = 0.08


# Scales of the coordinates of the process: each shape, all designs, and the law's P and M.
_SHAPE_SCALES = {
    "growth of the width": 1.2,
    "expansion": 0.5,
    "stem": 1.0,
    "transformer channels": 0.5,
    "feed-forward channels": 0.5,
    "transformer layers": 0.8,
    "convolutional layers": 0.8,
    "head": 1.5,
    "early width": 1.2,
}
_SCALES = np.array([_SHAPE_SCALES[name] for name in SHAPE])
_DESIGN_WEIGHT = 0.7
_SIZE_WEIGHT = 0.4
_JITTER = 1e-9


@dataclass(frozen=True, slots=True)
class NetworkSet:
    """Networks with their recipes, as the model sees them.

    Attributes:
        law: Columns of the law, (n, columns).
        shape: Columns of design and shape, (n, columns).
        line: Line of designs of each, (n,); no line is shared with the empty one.
        network: Identity of each, (n,); no identity is shared with the empty one.
        table: Table with a level of its own, (n,); empty for the common level.
    """

    law: FloatArray
    shape: FloatArray
    line: tuple[str, ...]
    network: tuple[str, ...]
    table: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.law)

    def subset(self, members: Sequence[int]) -> NetworkSet:
        """Return some of the networks, in the order of their indices."""
        indices = list(members)
        return NetworkSet(
            self.law[indices],
            self.shape[indices],
            tuple(self.line[index] for index in indices),
            tuple(self.network[index] for index in indices),
            tuple(self.table[index] for index in indices),
        )


def network_set(
    architectures: Sequence[Architecture],
    *,
    strong: Sequence[float],
    line: Sequence[str],
    network: Sequence[str],
    table: Sequence[str],
) -> NetworkSet:
    """Return architectures as the model sees them; costs are those with 1000 classes."""
    sizes = NetworkSizes.of(architectures)
    return NetworkSet(
        columns(
            sizes.params,
            sizes.macs,
            sizes.resolution_px,
            strong=np.array(strong, dtype=float),
        ),
        sizes.shape,
        tuple(line),
        tuple(network),
        tuple(table),
    )


def is_strong(recipe: str) -> float:
    """Return 1 for a recipe with strong augmentation, else 0."""
    return float(recipe == STRONG_RECIPE)


class LinearTerms:
    """All terms but the process and those of equal labels, as a product of features.

    The covariance of two networks is the product of their features: the law's columns through the
    Cholesky factor of its covariance, and the others times their standard deviations.
    """

    def __init__(self, law: ScalingLaw, prior: Prior) -> None:
        self._factor = np.linalg.cholesky(law.covariance)
        # The share of blocks is counted from that of the published networks, which is 1.
        self._design_sd = np.array([prior.blocks, *[prior.design] * (len(DESIGN) - 1)])
        self._reference = np.array([1.0, *[0.0] * (len(DESIGN) - 1)])
        self._prior = prior

    def features(self, law: FloatArray, shape: FloatArray) -> FloatArray:
        """Return the features (n, features) of networks by the law's columns and their shape."""
        p, m, r = law[:, 1], law[:, 2], law[:, 3]
        prior = self._prior
        return np.column_stack(
            [
                law @ self._factor,
                np.full(len(law), prior.intercept),
                prior.slope * p,
                prior.strong * law[:, STRONG],
                prior.strong_slope * law[:, STRONG_P],
                prior.bend * np.logaddexp(0.0, p + m) / 2,
                prior.resolution * r,
                prior.resolution_squared * r**2,
                (shape[:, : len(DESIGN)] - self._reference) * self._design_sd,
            ]
        )


def coordinates(law: FloatArray, shape: FloatArray) -> FloatArray:
    """Return the coordinates of the process, (n, coordinates), in units of the scales."""
    return np.column_stack(
        [
            shape[:, len(DESIGN) :] / _SCALES,
            shape[:, : len(DESIGN)] * _DESIGN_WEIGHT,
            law[:, 1:3] * _SIZE_WEIGHT,
        ]
    )


def process_covariance(one: FloatArray, other: FloatArray, sd: float, length: float) -> FloatArray:
    """Return the covariance of a process at two sets of coordinates, (n, m).

    Args:
        one: Coordinates, (n, coordinates).
        other: Coordinates, (m, coordinates).
        sd: Standard deviation of the process.
        length: Its length scale.
    """
    # |a - b|^2 = |a|^2 - 2 a.b + |b|^2, so one product gives all distances.
    squared = (one**2).sum(axis=1)[:, None] - 2 * (one @ other.T) + (other**2).sum(axis=1)
    result: FloatArray = sd**2 * np.exp(squared * (-0.5 / length**2))
    return result


@dataclass(frozen=True, slots=True)
class AccuracyPosterior:
    """Estimates of z.

    Attributes:
        mean: Means, (n,).
        covariance: Covariance without run and laboratory, (n, n).
    """

    mean: FloatArray
    covariance: FloatArray

    @property
    def sd(self) -> FloatArray:
        """Standard deviations without run and laboratory, (n,)."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))


class ImageNetModel:
    """The model, fitted to results of architectures.

    Args:
        law: Law of the other families.
        networks: Networks with results.
        top1: Their accuracies in percent, (n,).
        prior: Standard deviations of the terms.
    """

    def __init__(
        self, law: ScalingLaw, networks: NetworkSet, top1: FloatArray, prior: Prior | None = None
    ) -> None:
        self.law = law
        self.prior = prior or Prior()
        self.networks = networks
        self.linear = LinearTerms(law, self.prior)
        noise = (self.prior.run * link_slope(top1)) ** 2
        covariance = self.covariance(networks, networks) + np.diag(noise + _JITTER)
        self.cholesky = np.linalg.cholesky(covariance)
        residuals = link(top1) - law.z(networks.law)
        self.weights: FloatArray = np.linalg.solve(
            self.cholesky.T, np.linalg.solve(self.cholesky, residuals)
        )

    def covariance(self, first: NetworkSet, second: NetworkSet) -> FloatArray:
        """Return the prior covariance of z of two sets of networks, (n, m)."""
        prior = self.prior
        linear = (
            self.linear.features(first.law, first.shape)
            @ self.linear.features(second.law, second.shape).T
        )
        process = process_covariance(
            coordinates(first.law, first.shape),
            coordinates(second.law, second.shape),
            prior.shape,
            prior.length,
        )
        table: FloatArray = prior.table**2 * _equal(first.table, second.table)
        return linear + process + self.own_covariance(first, second) + table

    def own_covariance(self, first: NetworkSet, second: NetworkSet) -> FloatArray:
        """Return what networks share by their line and their identity, (n, m)."""
        prior = self.prior
        result: FloatArray = prior.line**2 * _equal(first.line, second.line)
        return result + prior.network**2 * _equal(first.network, second.network)

    def predict(self, networks: NetworkSet) -> AccuracyPosterior:
        """Return the estimates of z of networks."""
        shared = self.covariance(self.networks, networks)
        mean = self.law.z(networks.law) + shared.T @ self.weights
        explained = np.linalg.solve(self.cholesky, shared)
        return AccuracyPosterior(
            mean, self.covariance(networks, networks) - explained.T @ explained
        )


def interval(
    posterior: AccuracyPosterior, prior: Prior
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return estimates and the ends of their 90 % intervals in percent, (n,) each.

    The interval is that of one run in the laboratories of the results, without the term of the
    laboratory.

    Args:
        posterior: Estimates of z.
        prior: Standard deviations, of which the run's is added.
    """
    percent = unlink(posterior.mean)
    half = Z_90 * np.sqrt(posterior.sd**2 + (prior.run * link_slope(percent)) ** 2)
    return percent, unlink(posterior.mean + half), unlink(posterior.mean - half)


def _equal(first: Sequence[str], second: Sequence[str]) -> FloatArray:
    """Return 1 where two labels are equal and not empty, else 0, (n, m)."""
    a, b = np.array(first, dtype=object), np.array(second, dtype=object)
    equal: FloatArray = ((a[:, None] == b[None]) & (a[:, None] != "")).astype(float)
    return equal
