"""How good predictions are: the figures that stand in a profile and in its evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

COVERED = 0.9
"""The share of measured latencies that an interval should hold."""

DIGITS = 5


def prediction_error(
    predicted: Sequence[float] | NDArray[np.float64],
    measured: Sequence[float] | NDArray[np.float64],
) -> dict[str, float]:
    """Return mean absolute relative error, shares within 5 and 10 %, rank correlations and the number of networks."""
    from scipy.stats import kendalltau, spearmanr

    there, here = np.asarray(predicted, dtype=float), np.asarray(measured, dtype=float)
    errors = np.abs(there / here - 1)
    figures = {
        "mape": errors.mean(),
        "within5": (errors <= 0.05).mean(),
        "within10": (errors <= 0.10).mean(),
        "largest_error": errors.max(),
        "spearman": spearmanr(there, here).statistic,
        "kendall": kendalltau(there, here).statistic,
    }
    return {name: round(float(value), DIGITS) for name, value in figures.items()} | {"n": len(here)}


def scale_between(
    predicted: Sequence[float] | NDArray[np.float64],
    measured: Sequence[float] | NDArray[np.float64],
) -> float:
    """Return the one factor by which measurements are longer than predictions: the median ratio."""
    return float(np.median(np.asarray(measured, dtype=float) / np.asarray(predicted, dtype=float)))


def half_width(predicted: NDArray[np.float64], measured: NDArray[np.float64]) -> float:
    """Return the relative error that :data:`COVERED` of new networks should stay below (the conformal quantile).

    Source: V. Vovk et al., Algorithmic Learning in a Random World (2005), split conformal
        prediction.
    """
    errors = np.sort(np.abs(measured / predicted - 1))
    rank = min(int(np.ceil((len(errors) + 1) * COVERED)), len(errors))
    return float(errors[rank - 1])
