"""Benefit of training-free scores as features of the surrogate that predicts accuracy.

Compares the features with and without the scores, and the scores alone, on the default accuracy
table: Kendall's tau between trained accuracy and that predicted by the Gaussian process, over
repeated ten-fold cross-validation.
"""

from __future__ import annotations

import numpy as np

from benchmarks._figures import Figure, figure
from mvt_nas._typing import FloatArray
from mvt_nas.accuracy.design import MATCHED
from mvt_nas.accuracy.features import features
from mvt_nas.accuracy.proxy_validation import score_networks
from mvt_nas.accuracy.ranking_metrics import kendall
from mvt_nas.accuracy.regressors import RECIPES
from mvt_nas.accuracy.surrogate import FOLDS, cross_validation_splits
from mvt_nas.accuracy.table import read_table
from mvt_nas.accuracy.trained_networks import DistinctNetworks
from mvt_nas.resources import default_table

SCORES = (
    "jacob_cov",
    "channel_entropy",
    "zen",
    "naswot",
    "swap",
    "log_synflow",
    "grad_norm",
    "snip",
)
REPEATS = 3


def run() -> list[Figure]:
    """Return Kendall's tau of each feature set, over all networks and over those of one size."""
    networks = read_table(default_table()).networks()
    standard = features(networks.architectures, num_classes=networks.num_classes)
    scored = score_networks(networks, SCORES)
    scores = np.column_stack([scored[name][0] for name in SCORES])
    sets = {
        "features": standard,
        "features and scores": np.column_stack([standard, scores]),
        "scores": scores,
    }
    figures = []
    for name, table in sets.items():
        taus = [_taus(table, networks, seed) for seed in range(REPEATS)]
        for index, over in enumerate(("all", "one size")):
            values = [tau[index] for tau in taus]
            figures.append(
                figure(
                    f"tau with {name}, {over}",
                    values,
                    "",
                    f"{len(networks)} networks; scores: {', '.join(SCORES)}",
                )
            )
    return figures


def _taus(table: FloatArray, networks: DistinctNetworks, seed: int) -> tuple[float, float]:
    """Return Kendall's tau over all networks, and over those of one size."""
    predicted = _cross_validated(table, networks.accuracy, seed)
    matched = networks.in_subset(MATCHED)
    over_all = kendall(predicted, networks.accuracy)
    over_one_size = kendall(predicted[matched], networks.accuracy[matched])
    return over_all, over_one_size


def _cross_validated(table: FloatArray, accuracy: FloatArray, seed: int) -> FloatArray:
    fit = next(
        recipe.fit for recipe in RECIPES if recipe.name == "Gaussian process on all features"
    )
    # Constant columns have a standard deviation of 0.
    standardised = (table - table.mean(axis=0)) / np.maximum(table.std(axis=0), 1e-9)
    predicted = np.empty(len(accuracy))
    for inside, outside in cross_validation_splits(len(accuracy), FOLDS, seed):
        predict = fit(standardised[inside], accuracy[inside])
        predicted[outside] = predict(standardised[outside])[0]
    return predicted
