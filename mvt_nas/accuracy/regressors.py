"""Regressors among which the surrogate selects: a few small ones of scikit-learn.

Each takes standardised features and predicts a mean and a standard deviation.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.accuracy.features import FEATURES

Fitted = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""``features (n, k) -> (mean (n,), standard deviation (n,))``."""

# Indices of the features that regressors use.
COUNTS = tuple(FEATURES.index(name) for name in ("log params", "log macs"))
SIZES = tuple(
    FEATURES.index(name) for name in ("log params", "log macs", "log layers", "log outputs")
)
EVERYTHING = tuple(range(len(FEATURES)))


@dataclass(frozen=True, slots=True)
class RegressorSpec:
    """A regressor on some of the features.

    Attributes:
        name: Name of the regressor, which is stored with its figures.
        columns: Indices of the features that it uses.
        fit: Function of features (n, k) and target (n,) that returns the fitted regressor.
    """

    name: str
    columns: tuple[int, ...]
    fit: Callable[[FloatArray, FloatArray], Fitted]


def _quadratic(features: FloatArray, target: FloatArray) -> Fitted:
    """Bayesian ridge regression on the features and their squares."""
    from sklearn.linear_model import BayesianRidge

    def design(x: FloatArray) -> FloatArray:
        return np.column_stack([x, x**2])

    model = BayesianRidge().fit(design(features), target)

    def predict(x: FloatArray) -> tuple[FloatArray, FloatArray]:
        mean, deviation = model.predict(design(x), return_std=True)
        return np.asarray(mean), np.asarray(deviation)

    return predict


def _line(features: FloatArray, target: FloatArray) -> Fitted:
    """Bayesian ridge regression on the features."""
    from sklearn.linear_model import BayesianRidge

    model = BayesianRidge().fit(features, target)

    def predict(x: FloatArray) -> tuple[FloatArray, FloatArray]:
        mean, deviation = model.predict(x, return_std=True)
        return np.asarray(mean), np.asarray(deviation)

    return predict


def _gaussian_process(features: FloatArray, target: FloatArray) -> Fitted:
    """Gaussian process: a line plus a smooth function, fitted by the marginal likelihood."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel

    # A typical distance between standardised features grows with the root of their number.
    length = np.sqrt(features.shape[1])
    smooth = ConstantKernel(1.0, (1e-3, 1e3)) * RBF(2 * length, (0.5 * length, 100 * length))
    line = ConstantKernel(0.1, (1e-4, 1e2)) * DotProduct(1.0, "fixed")
    kernel = smooth + line + WhiteKernel(0.05, (1e-4, 1.0))
    with warnings.catch_warnings():
        # A length scale at its bound is a valid result: the function is a line.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = GaussianProcessRegressor(
            kernel, normalize_y=True, n_restarts_optimizer=1, random_state=0
        ).fit(features, target)

    def predict(x: FloatArray) -> tuple[FloatArray, FloatArray]:
        mean, deviation = model.predict(x, return_std=True)
        return np.asarray(mean), np.asarray(deviation)

    return predict


def _trees(features: FloatArray, target: FloatArray) -> Fitted:
    """Extremely randomised trees; the standard deviation is that of their predictions."""
    from sklearn.ensemble import ExtraTreesRegressor

    model = ExtraTreesRegressor(n_estimators=200, min_samples_leaf=2, random_state=0).fit(
        features, target
    )

    def predict(x: FloatArray) -> tuple[FloatArray, FloatArray]:
        predictions = np.stack([tree.predict(x) for tree in model.estimators_])
        # A deviation of zero would make the interval's stretch infinite.
        return predictions.mean(axis=0), np.maximum(predictions.std(axis=0), 1e-6)

    return predict


# The names are stored in files: they must not change.
RECIPES = (
    RegressorSpec("quadratic in params and MACs", COUNTS, _quadratic),
    RegressorSpec("line in all features", EVERYTHING, _line),
    RegressorSpec("Gaussian process on sizes", SIZES, _gaussian_process),
    RegressorSpec("Gaussian process on all features", EVERYTHING, _gaussian_process),
    RegressorSpec("randomised trees on all features", EVERYTHING, _trees),
)
