"""The scaling law: ImageNet top-1 accuracy of published networks by parameters and MACs.

The accuracy saturates, and either too few parameters or too few multiply-adds limit it:

    top1 = CEILING / (1 + exp(z))
    z = log((p ** -1 + RATIO * m ** -0.4) / (1 + RATIO)) + coefficients . columns
        + intercept and slope of the family

with p in units of 5 M parameters and m in units of 1 G MACs at the network's own resolution. The
resolution has no term of its own but a small correction: it acts through the MACs, and less on
small networks, which the term of the parameters limits.

The families' intercepts and slopes are Gaussian, so the posterior of the coefficients is one linear
solve per family. Exponents, ratio and ceiling were chosen by marginal likelihood over the
families of ``imagenet_published.csv``, none of which is a MobileViT (``docs/accuracy.md``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mvt_nas._typing import BoolArray, FloatArray
from mvt_nas.accuracy.imagenet.published_results import PublishedResult

CEILING = 88.0
"""Largest top-1 accuracy that the law allows, in percent."""

_UNIT_PARAMS = 5e6
_UNIT_MACS = 1e9
_UNIT_PX = 256.0
_RATIO = 2.4
_PARAMS_EXPONENT = 1.0
_MACS_EXPONENT = 0.4

COLUMNS = ("1", "P", "M", "R", "strong", "distilled", "long", "strong P")
"""Columns of the law: P, M and R are the logarithms of parameters, MACs and resolution."""

STRONG, STRONG_P = COLUMNS.index("strong"), COLUMNS.index("strong P")

# Prior of the coefficients. P, M and R only correct the form of the law, so they stay small.
_PRIOR_MEAN = np.array([-2.0, 0, 0, 0, 0, 0, 0, 0])
_PRIOR_SD = np.array([10.0, 0.05, 0.05, 0.05, 0.5, 0.5, 0.5, 0.3])

# Standard deviations between families and within one, found by marginal likelihood.
_FAMILY_SD = 0.23
_FAMILY_SLOPE_SD = 0.07
_REST_SD = 0.115

STRONG_RECIPE, DISTILLED_RECIPE, EXTRA_DATA_RECIPE = "strong-aug", "distilled", "21k"
LONG_EPOCHS = 1000
"""Epochs from which a training counts as long."""


def link(top1: ArrayLike) -> FloatArray:
    """Return z of accuracies in percent; it falls as the accuracy rises."""
    percent = np.asarray(top1, dtype=float)
    result: FloatArray = np.log((CEILING - percent) / percent)
    return result


def unlink(z: ArrayLike) -> FloatArray:
    """Return accuracies in percent, between 0 and :data:`CEILING`."""
    result: FloatArray = CEILING / (1.0 + np.exp(np.asarray(z, dtype=float)))
    return result


def link_slope(top1: ArrayLike) -> FloatArray:
    """Return the absolute change of z per percentage point."""
    percent = np.asarray(top1, dtype=float)
    result: FloatArray = 1.0 / (CEILING - percent) + 1.0 / percent
    return result


def columns(
    params: ArrayLike,
    macs: ArrayLike,
    resolution_px: ArrayLike,
    *,
    strong: ArrayLike = 0.0,
    distilled: ArrayLike = 0.0,
    long: ArrayLike = 0.0,
) -> FloatArray:
    """Return the columns (n, columns) of networks and recipes.

    Args:
        params: Parameters with 1000 classes, (n,).
        macs: MACs at the networks' own resolution, (n,).
        resolution_px: Side of the images, (n,).
        strong: 1 for strong augmentation (RandAugment, MixUp, CutMix or alike), else 0.
        distilled: 1 for a recipe with a teacher, else 0.
        long: 1 for :data:`LONG_EPOCHS` epochs and more, else 0.
    """
    p = np.log(np.asarray(params, dtype=float) / _UNIT_PARAMS)
    ones = np.ones_like(p)
    strong = strong * ones
    return np.column_stack(
        [
            ones,
            p,
            np.log(np.asarray(macs, dtype=float) / _UNIT_MACS),
            np.log(np.asarray(resolution_px, dtype=float) / _UNIT_PX),
            strong,
            distilled * ones,
            long * ones,
            strong * p,
        ]
    )


def form(values: FloatArray) -> FloatArray:
    """Return the term of the law without coefficients, (n,), from columns (n, columns)."""
    p, m = values[:, 1], values[:, 2]
    result: FloatArray = np.logaddexp(
        -_PARAMS_EXPONENT * p, np.log(_RATIO) - _MACS_EXPONENT * m
    ) - np.log1p(_RATIO)
    return result


@dataclass(frozen=True, slots=True)
class ScalingLaw:
    """AccuracyPosterior of the coefficients of the law.

    Attributes:
        mean: Means of the coefficients, (columns,).
        covariance: Covariance of the coefficients, (columns, columns).
    """

    mean: FloatArray
    covariance: FloatArray

    def z(self, values: FloatArray) -> FloatArray:
        """Return the mean of z, (n,), from columns (n, columns), for an average family."""
        # Summed column by column: the last digit of a matrix product may depend on the number of
        # rows.
        linear: FloatArray = np.sum(values * self.mean, axis=1)
        return linear + form(values)


def fit_law(results: Sequence[PublishedResult]) -> ScalingLaw:
    """Return the law fitted to published results; those trained on more data are left out.

    Args:
        results: Published results of any families.
    """
    kept = [result for result in results if result.recipe != EXTRA_DATA_RECIPE]
    values, z, families = _observations(kept)
    precision = np.diag(1 / _PRIOR_SD**2)
    weighted = precision @ _PRIOR_MEAN
    for family in np.unique(families):
        members = families == family
        own = values[members]
        # Solved instead of inverted: the covariance of a family is dense but small.
        solved = np.linalg.solve(family_covariance(own), np.column_stack([own, z[members]]))
        precision = precision + own.T @ solved[:, :-1]
        weighted = weighted + own.T @ solved[:, -1]
    covariance = np.linalg.inv(precision)
    return ScalingLaw(covariance @ weighted, (covariance + covariance.T) / 2)


def family_covariance(values: FloatArray) -> FloatArray:
    """Return the covariance (n, n) of z of networks of one family, given the coefficients."""
    p = values[:, 1]
    return _FAMILY_SD**2 + _FAMILY_SLOPE_SD**2 * np.outer(p, p) + _REST_SD**2 * np.eye(len(values))


@dataclass(frozen=True, slots=True)
class HeldOutFamilies:
    """Predictions of networks whose families the law was not fitted to.

    Attributes:
        top1: Published accuracies in percent, (n,).
        predicted: Predicted accuracies in percent, (n,).
        inside: Whether the published accuracy lies in the 90 % interval, (n,).
        families: Number of families.
    """

    top1: FloatArray
    predicted: FloatArray
    inside: BoolArray
    families: int


def hold_out_families(results: Sequence[PublishedResult], quantile: float) -> HeldOutFamilies:
    """Return the predictions of each family by the law fitted to all others.

    Args:
        results: Published results.
        quantile: Half width of the interval in standard deviations.
    """
    kept = [result for result in results if result.recipe != EXTRA_DATA_RECIPE]
    values, z, families = _observations(kept)
    mean = np.empty(len(kept))
    sd = np.empty(len(kept))
    for family in np.unique(families):
        members = families == family
        law = fit_law([result for result in kept if result.family != family])
        own = values[members]
        mean[members] = np.sum(own * law.mean, axis=1)
        covariance = own @ law.covariance @ own.T + family_covariance(own)
        sd[members] = np.sqrt(np.diag(covariance))
    return HeldOutFamilies(
        top1=np.array([result.top1 for result in kept]),
        predicted=unlink(mean + form(values)),
        inside=np.abs(z - mean) <= quantile * sd,
        families=len(np.unique(families)),
    )


def _observations(
    results: Sequence[PublishedResult],
) -> tuple[FloatArray, FloatArray, np.ndarray[tuple[int, ...], np.dtype[np.str_]]]:
    """Return columns (n, columns) and z less the form of the law (n,), and families (n,)."""
    values = columns(
        [result.params for result in results],
        [result.macs for result in results],
        [result.resolution_px for result in results],
        strong=np.array([float(result.recipe == STRONG_RECIPE) for result in results]),
        distilled=np.array([float(result.recipe == DISTILLED_RECIPE) for result in results]),
        long=np.array([float((result.epochs or 0) >= LONG_EPOCHS) for result in results]),
    )
    z = link([result.top1 for result in results])
    return values, z - form(values), np.array([result.family for result in results])
