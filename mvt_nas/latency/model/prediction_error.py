"""Error statistics of predictions, as stored in profiles and reported by their evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mvt_nas._typing import FloatArray

COVERED = 0.9
"""Share of measured latencies that an interval should contain."""

DIGITS = 5


def prediction_error(
    predicted: Sequence[float] | FloatArray, measured: Sequence[float] | FloatArray
) -> dict[str, float]:
    """Return error statistics of predicted latencies.

    Args:
        predicted: predictions, (n,).
        measured: measurements in the same unit, (n,).

    Returns:
        ``mape`` (mean absolute relative error), ``within5`` and ``within10`` (shares of errors
        within 5 and 10 %), ``largest_error``, the rank correlations ``spearman`` and ``kendall``,
        and ``n``.
    """
    from scipy.stats import kendalltau, spearmanr

    predictions = np.asarray(predicted, dtype=float)
    measurements = np.asarray(measured, dtype=float)
    errors = np.abs(predictions / measurements - 1)
    figures = {
        "mape": errors.mean(),
        "within5": (errors <= 0.05).mean(),
        "within10": (errors <= 0.10).mean(),
        "largest_error": errors.max(),
        "spearman": spearmanr(predictions, measurements).statistic,
        "kendall": kendalltau(predictions, measurements).statistic,
    }
    rounded = {name: round(float(value), DIGITS) for name, value in figures.items()}
    return rounded | {"n": len(measurements)}


def scale_between(
    predicted: Sequence[float] | FloatArray, measured: Sequence[float] | FloatArray
) -> float:
    """Return the factor between measurements and predictions: the median of their ratios."""
    ratios = np.asarray(measured, dtype=float) / np.asarray(predicted, dtype=float)
    return float(np.median(ratios))


def half_width(predicted: FloatArray, measured: FloatArray) -> float:
    """Return the relative error that :data:`COVERED` of new networks should stay below.

    Source: V. Vovk et al., Algorithmic Learning in a Random World (2005), split conformal
        prediction.
    """
    errors = np.sort(np.abs(measured / predicted - 1))
    # The conformal quantile: of n errors and a new one, each rank is equally likely for the new
    # one, hence n + 1.
    rank = min(int(np.ceil((len(errors) + 1) * COVERED)), len(errors))
    return float(errors[rank - 1])
