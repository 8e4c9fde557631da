"""The surrogate: accuracy from an architecture, with an interval whose coverage was measured.

Which regression is used is itself chosen by cross-validation, so its error is measured by nested
cross-validation: the networks by which it is judged had no say in the choice. Intervals are those
of the regression, stretched by one factor until they held nine tenths of the networks that were
held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import FloatArray
from mvt_nas.accuracy.features import FEATURES, features
from mvt_nas.accuracy.rank_correlation import kendall
from mvt_nas.accuracy.regressors import RECIPES, Fitted, RegressorSpec
from mvt_nas.accuracy.trained_networks import DistinctNetworks
from mvt_nas.metrics.names import SLACK
from mvt_nas.space.architecture import Architecture

Rows = NDArray[np.intp]

COVERED = 0.9
FOLDS = 10
INNER_FOLDS = 5
_ROWS = 64
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class AccuracyEstimates:
    """Predicted accuracies.

    Attributes:
        percent: (n,).
        low: lower ends of the intervals that should hold 90 % of the trained accuracies, (n,).
        high: upper ends, (n,).
        beyond: by which factor parameters or MACs lie beyond those of all trained networks, (n,); 1
            where they do not.
    """

    percent: FloatArray
    low: FloatArray
    high: FloatArray
    beyond: FloatArray

    @property
    def outside(self) -> NDArray[np.bool_]:
        """Where the estimate is an extrapolation, (n,)."""
        return self.beyond > 1 + SLACK


class Surrogate:
    """Predicts what the table's protocol would give.

    Args:
        networks: trained ones.
        recipe: the regression; chosen by cross-validation without.
        stretch: of its intervals; found by cross-validation without.

    Attributes:
        recipe: as given or chosen.
        stretch: as given or found.
    """

    def __init__(
        self,
        networks: DistinctNetworks,
        recipe: RegressorSpec | None = None,
        stretch: float | None = None,
    ) -> None:
        self.num_classes = networks.num_classes
        table = features(networks.architectures, num_classes=networks.num_classes)
        self._centre, self._scale = _moments(table)
        standard = (table - self._centre) / self._scale
        self.recipe = recipe or select_regressor(standard, networks.accuracy)
        self._fitted = _fit(self.recipe, standard, networks.accuracy)
        self.stretch = (
            _stretch(self.recipe, standard, networks.accuracy) if stretch is None else stretch
        )
        sizes = table[:, _SIZE_COLUMNS]
        self._low, self._high = sizes.min(axis=0), sizes.max(axis=0)

    def predict(self, architectures: Sequence[Architecture]) -> AccuracyEstimates:
        """Return the estimates of architectures as they would be trained."""
        return self.predict_features(features(architectures, num_classes=self.num_classes))

    def predict_features(self, table: FloatArray) -> AccuracyEstimates:
        """Return the estimates from features, (n, features)."""
        mean, deviation = (
            found[: len(table)] for found in _apply(self.recipe, self._fitted, self._padded(table))
        )
        width = self.stretch * deviation
        sizes = table[:, _SIZE_COLUMNS]
        beyond = np.exp(np.maximum(self._low - sizes, sizes - self._high).max(axis=1).clip(min=0.0))
        percent, low, high = (
            np.clip(values, 0.0, 100.0).round(_DIGITS)
            for values in (mean, mean - width, mean + width)
        )
        return AccuracyEstimates(percent, low, high, beyond)

    def _padded(self, table: FloatArray) -> FloatArray:
        """Return standardised features with rows of zeros below, up to a multiple of :data:`_ROWS`.

        Products of matrices may differ in the last digit with the number of rows. A network's
        accuracy may not depend on how many others are predicted with it.
        """
        standard = (table - self._centre) / self._scale
        missing = -len(table) % _ROWS if len(table) else _ROWS
        return np.concatenate([standard, np.zeros((missing, table.shape[1]))])


_SIZE_COLUMNS = [FEATURES.index(name) for name in ("log params", "log macs")]


@dataclass(frozen=True, slots=True)
class HeldOutPredictions:
    """Predictions of networks that neither the fit nor the choice of the regression has seen.

    Attributes:
        percent: (n,).
        low: (n,).
        high: (n,).
        recipes: the regression that was chosen in each fold.
    """

    percent: FloatArray
    low: FloatArray
    high: FloatArray
    recipes: tuple[str, ...]


def cross_validate(networks: DistinctNetworks, *, seed: int = 0) -> HeldOutPredictions:
    """Return predictions by nested cross-validation."""
    table = features(networks.architectures, num_classes=networks.num_classes)
    centre, scale = _moments(table)  # which know no accuracies
    standard = (table - centre) / scale
    accuracy = networks.accuracy
    mean, width = np.empty(len(accuracy)), np.empty(len(accuracy))
    names = []
    for inside, outside in cross_validation_splits(len(accuracy), FOLDS, seed):
        recipe = select_regressor(standard[inside], accuracy[inside])
        mean[outside], deviation = _apply(
            recipe, _fit(recipe, standard[inside], accuracy[inside]), standard[outside]
        )
        width[outside] = _stretch(recipe, standard[inside], accuracy[inside]) * deviation
        names.append(recipe.name)
    return HeldOutPredictions(mean, mean - width, mean + width, tuple(names))


def _moments(table: FloatArray) -> tuple[FloatArray, FloatArray]:
    return table.mean(axis=0), np.maximum(table.std(axis=0), 1e-9)


def select_regressor(standard: FloatArray, accuracy: FloatArray) -> RegressorSpec:
    """Return the regression with the highest Kendall's tau in cross-validation; the first of several that are alike."""
    taus = [
        kendall(_cross_validated(recipe, standard, accuracy)[0], accuracy) for recipe in RECIPES
    ]
    return RECIPES[int(np.argmax(taus))]


def cross_validation_splits(n: int, folds: int, seed: int) -> list[tuple[Rows, Rows]]:
    """Return the indices inside and outside of each fold, in random parts of equal size."""
    order = np.random.default_rng(seed).permutation(n)
    parts = np.array_split(order, min(folds, n))
    return [(np.setdiff1d(order, part), np.sort(part)) for part in parts]


def _cross_validated(
    recipe: RegressorSpec, standard: FloatArray, accuracy: FloatArray
) -> tuple[FloatArray, FloatArray]:
    mean, deviation = np.empty(len(accuracy)), np.empty(len(accuracy))
    for inside, outside in cross_validation_splits(len(accuracy), INNER_FOLDS, 1):
        mean[outside], deviation[outside] = _apply(
            recipe, _fit(recipe, standard[inside], accuracy[inside]), standard[outside]
        )
    return mean, deviation


def _stretch(recipe: RegressorSpec, standard: FloatArray, accuracy: FloatArray) -> float:
    """Return how many standard deviations hold :data:`COVERED` of networks that were held out (the conformal quantile)."""
    mean, deviation = _cross_validated(recipe, standard, accuracy)
    scores = np.sort(np.abs(accuracy - mean) / deviation)
    return float(scores[min(int(np.ceil((len(scores) + 1) * COVERED)), len(scores)) - 1])


def _fit(recipe: RegressorSpec, standard: FloatArray, accuracy: FloatArray) -> Fitted:
    return recipe.fit(standard[:, recipe.columns], accuracy)


def _apply(
    recipe: RegressorSpec, fitted: Fitted, standard: FloatArray
) -> tuple[FloatArray, FloatArray]:
    return fitted(standard[:, recipe.columns])
