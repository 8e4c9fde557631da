"""The regressions that the surrogate chooses from: few, small, and from a well-kept library.

Each takes standardised features and gives a mean and a standard deviation.
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

COUNTS = tuple(FEATURES.index(name) for name in ("log params", "log macs"))
SIZES = tuple(
    FEATURES.index(name) for name in ("log params", "log macs", "log layers", "log outputs")
)
EVERYTHING = tuple(range(len(FEATURES)))


@dataclass(frozen=True, slots=True)
class RegressorSpec:
    """A regression on some of the features.

    Attributes:
        name: in words.
        columns: indices of the features that it reads.
        fit: ``(features, target) -> fitted``.
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
    """A Gaussian process: a line plus a smooth function, its smoothness by the marginal likelihood."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel

    length = np.sqrt(features.shape[1])
    smooth = ConstantKernel(1.0, (1e-3, 1e3)) * RBF(2 * length, (0.5 * length, 100 * length))
    line = ConstantKernel(0.1, (1e-4, 1e2)) * DotProduct(1.0, "fixed")
    kernel = smooth + line + WhiteKernel(0.05, (1e-4, 1.0))
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # a length at its bound is an answer: the function is a line
        model = GaussianProcessRegressor(
            kernel, normalize_y=True, n_restarts_optimizer=1, random_state=0
        ).fit(features, target)

    def predict(x: FloatArray) -> tuple[FloatArray, FloatArray]:
        mean, deviation = model.predict(x, return_std=True)
        return np.asarray(mean), np.asarray(deviation)

    return predict


def _trees(features: FloatArray, target: FloatArray) -> Fitted:
    """Randomised trees; the standard deviation is that of their answers."""
    from sklearn.ensemble import ExtraTreesRegressor

    model = ExtraTreesRegressor(n_estimators=200, min_samples_leaf=2, random_state=0).fit(
        features, target
    )

    def predict(x: FloatArray) -> tuple[FloatArray, FloatArray]:
        answers = np.stack([tree.predict(x) for tree in model.estimators_])
        return answers.mean(axis=0), np.maximum(answers.std(axis=0), 1e-6)

    return predict


RECIPES = (
    RegressorSpec("quadratic in params and MACs", COUNTS, _quadratic),
    RegressorSpec("line in all features", EVERYTHING, _line),
    RegressorSpec("Gaussian process on sizes", SIZES, _gaussian_process),
    RegressorSpec("Gaussian process on all features", EVERYTHING, _gaussian_process),
    RegressorSpec("randomised trees on all features", EVERYTHING, _trees),
)
