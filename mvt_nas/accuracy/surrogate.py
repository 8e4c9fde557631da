"""The surrogate: accuracy of an architecture, with an interval of measured coverage.

The regressor is itself selected by cross-validation, so the error is measured by nested
cross-validation: held-out networks have no influence on the selection. The intervals are those of
the regressor, stretched by one factor such that they contain nine tenths of the held-out networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mvt_nas._typing import BoolArray, FloatArray, IndexArray
from mvt_nas.accuracy.features import FEATURES, features
from mvt_nas.accuracy.ranking_metrics import kendall
from mvt_nas.accuracy.regressors import RECIPES, Fitted, RegressorSpec
from mvt_nas.accuracy.trained_networks import DistinctNetworks
from mvt_nas.metrics.names import SLACK
from mvt_nas.space.architecture import Architecture

Rows = IndexArray

COVERED = 0.9
"""Share of the networks that the intervals should contain."""

FOLDS = 10
"""Folds of the outer cross-validation."""

INNER_FOLDS = 5
"""Folds of the inner cross-validation, which selects the regressor."""

# The number of rows of a prediction is padded to a multiple of this.
_ROWS = 64
_DIGITS = 6
_SIZE_COLUMNS = [FEATURES.index(name) for name in ("log params", "log macs")]


@dataclass(frozen=True, slots=True)
class AccuracyEstimates:
    """Predicted accuracies.

    Attributes:
        percent: Predicted accuracies in percent, (n,).
        low: Lower ends of the intervals that should contain 90 % of the trained accuracies, (n,).
        high: Upper ends of the intervals, (n,).
        beyond: Factor by which parameters or MACs exceed (or fall below) those of all trained
            networks, (n,); 1 within their range.
    """

    percent: FloatArray
    low: FloatArray
    high: FloatArray
    beyond: FloatArray

    @property
    def outside(self) -> BoolArray:
        """Whether the estimates are extrapolations, (n,)."""
        return self.beyond > 1 + SLACK


class Surrogate:
    """Predicts the accuracy of architectures under a table's protocol.

    Args:
        networks: Trained networks.
        recipe: Regressor; by default selected by cross-validation.
        stretch: Factor of its intervals; by default found by cross-validation.

    Attributes:
        num_classes: Number of outputs of the classifier.
        recipe: Given or selected regressor.
        stretch: Given or found factor.
    """

    def __init__(
        self,
        networks: DistinctNetworks,
        recipe: RegressorSpec | None = None,
        stretch: float | None = None,
    ) -> None:
        self.num_classes = networks.num_classes
        values = features(networks.architectures, num_classes=networks.num_classes)
        self._centre, self._scale = _moments(values)
        standard = (values - self._centre) / self._scale
        self.recipe = recipe or select_regressor(standard, networks.accuracy)
        self._fitted = _fit(self.recipe, standard, networks.accuracy)
        self.stretch = (
            _stretch(self.recipe, standard, networks.accuracy) if stretch is None else stretch
        )
        # The range of log-params and log-MACs of the trained networks, (2,) each.
        sizes = values[:, _SIZE_COLUMNS]
        self._low = sizes.min(axis=0)
        self._high = sizes.max(axis=0)

    def predict(self, architectures: Sequence[Architecture]) -> AccuracyEstimates:
        """Return the estimates of architectures, given as trained."""
        return self.predict_features(features(architectures, num_classes=self.num_classes))

    def predict_features(self, values: FloatArray) -> AccuracyEstimates:
        """Return the estimates from features (n, features)."""
        n = len(values)
        mean, deviation = _apply(self.recipe, self._fitted, self._padded(values))
        percent = mean[:n]
        width = self.stretch * deviation[:n]
        # Largest distance below the smallest or above the largest trained size, in logarithms: its
        # exponential is a factor.
        sizes = values[:, _SIZE_COLUMNS]
        distance = np.maximum(self._low - sizes, sizes - self._high).max(axis=1)
        return AccuracyEstimates(
            percent=_as_percent(percent),
            low=_as_percent(percent - width),
            high=_as_percent(percent + width),
            beyond=np.exp(distance.clip(min=0.0)),
        )

    def _padded(self, values: FloatArray) -> FloatArray:
        """Return standardised features, padded with rows of zeros to a multiple of :data:`_ROWS`.

        The last digit of a matrix product may depend on the number of rows. The accuracy of a
        network must not depend on the number of networks predicted with it.
        """
        standard = (values - self._centre) / self._scale
        missing = -len(values) % _ROWS if len(values) else _ROWS
        return np.concatenate([standard, np.zeros((missing, values.shape[1]))])


def _as_percent(values: FloatArray) -> FloatArray:
    rounded: FloatArray = np.clip(values, 0.0, 100.0).round(_DIGITS)
    return rounded


@dataclass(frozen=True, slots=True)
class HeldOutPredictions:
    """Predictions of networks that neither the fit nor the selection of the regressor has seen.

    Attributes:
        percent: Predicted accuracies in percent, (n,).
        low: Lower ends of the 90 % intervals, (n,).
        high: Upper ends of the intervals, (n,).
        recipes: Name of the selected regressor of each fold.
    """

    percent: FloatArray
    low: FloatArray
    high: FloatArray
    recipes: tuple[str, ...]


def cross_validate(networks: DistinctNetworks, *, seed: int = 0) -> HeldOutPredictions:
    """Return predictions by nested cross-validation.

    In each outer fold, the regressor and the stretch of its intervals are found by an inner
    cross-validation over the networks inside of the fold.
    """
    values = features(networks.architectures, num_classes=networks.num_classes)
    # Standardised over all networks, which leaks nothing: the moments know no accuracies.
    centre, scale = _moments(values)
    standard = (values - centre) / scale
    accuracy = networks.accuracy
    mean = np.empty(len(accuracy))
    width = np.empty(len(accuracy))
    names = []
    for inside, outside in cross_validation_splits(len(accuracy), FOLDS, seed):
        recipe = select_regressor(standard[inside], accuracy[inside])
        fitted = _fit(recipe, standard[inside], accuracy[inside])
        mean[outside], deviation = _apply(recipe, fitted, standard[outside])
        width[outside] = _stretch(recipe, standard[inside], accuracy[inside]) * deviation
        names.append(recipe.name)
    return HeldOutPredictions(mean, mean - width, mean + width, tuple(names))


def _moments(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation of the columns; no deviation is zero."""
    return values.mean(axis=0), np.maximum(values.std(axis=0), 1e-9)


def select_regressor(standard: FloatArray, accuracy: FloatArray) -> RegressorSpec:
    """Return the regressor with the highest Kendall's tau in cross-validation; ties: the first."""
    taus = [
        kendall(_cross_validated(recipe, standard, accuracy)[0], accuracy) for recipe in RECIPES
    ]
    return RECIPES[int(np.argmax(taus))]


def cross_validation_splits(n: int, folds: int, seed: int) -> list[tuple[Rows, Rows]]:
    """Return the training and held-out indices of each fold, for random parts of equal size."""
    order = np.random.default_rng(seed).permutation(n)
    parts = np.array_split(order, min(folds, n))
    return [(np.setdiff1d(order, part), np.sort(part)) for part in parts]


def _cross_validated(
    recipe: RegressorSpec, standard: FloatArray, accuracy: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the mean and deviation (n,) that a regressor predicts for held-out networks."""
    mean = np.empty(len(accuracy))
    deviation = np.empty(len(accuracy))
    # Seed 1: other parts than those of the outer folds with seed 0.
    for inside, outside in cross_validation_splits(len(accuracy), INNER_FOLDS, 1):
        fitted = _fit(recipe, standard[inside], accuracy[inside])
        mean[outside], deviation[outside] = _apply(recipe, fitted, standard[outside])
    return mean, deviation


def _stretch(recipe: RegressorSpec, standard: FloatArray, accuracy: FloatArray) -> float:
    """Return the half-width of the intervals in standard deviations (the conformal quantile).

    Intervals of that width contain :data:`COVERED` of the held-out networks.
    """
    mean, deviation = _cross_validated(recipe, standard, accuracy)
    scores = np.sort(np.abs(accuracy - mean) / deviation)
    # Split conformal prediction takes the ceil((n + 1) * coverage)-th smallest score, at most the
    # largest one.
    rank = min(int(np.ceil((len(scores) + 1) * COVERED)), len(scores))
    return float(scores[rank - 1])


def _fit(recipe: RegressorSpec, standard: FloatArray, accuracy: FloatArray) -> Fitted:
    return recipe.fit(standard[:, recipe.columns], accuracy)


def _apply(
    recipe: RegressorSpec, fitted: Fitted, standard: FloatArray
) -> tuple[FloatArray, FloatArray]:
    return fitted(standard[:, recipe.columns])
