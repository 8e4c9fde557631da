"""Rank correlations and other figures that evaluate proxies, surrogates and tables.

All of them take values that are higher for better networks; the caller takes care of the direction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mvt_nas._typing import FloatArray, IndexArray
from mvt_nas.accuracy.table import AccuracyTable
from mvt_nas.errors import AccuracyError

# The fewest networks that two tables have to share.
_LEAST = 4


def kendall(a: ArrayLike, b: ArrayLike) -> float:
    """Return Kendall's tau-b; 0 if one of the lists is constant."""
    from scipy.stats import kendalltau

    if not (_varies(a) and _varies(b)):
        return 0.0
    value = float(kendalltau(np.asarray(a), np.asarray(b)).statistic)
    return value if np.isfinite(value) else 0.0


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Return Spearman's rank correlation; 0 if one of the lists is constant."""
    from scipy.stats import spearmanr

    if not (_varies(a) and _varies(b)):
        return 0.0
    return float(spearmanr(np.asarray(a), np.asarray(b)).statistic)


def partial_kendall(a: ArrayLike, b: ArrayLike, given: ArrayLike) -> float:
    """Return Kendall's tau-b of two lists given controls.

    It is the tau of the residuals of both lists' ranks, regressed on the ranks of the controls.

    Args:
        a: Values (n,).
        b: Values (n,).
        given: Controls (n, k).
    """
    from scipy.stats import rankdata

    controls = np.asarray(given, dtype=float).reshape(len(np.asarray(a)), -1)
    design = np.column_stack([np.ones(len(controls)), *(rankdata(column) for column in controls.T)])

    def residuals(values: ArrayLike) -> FloatArray:
        ranks = rankdata(np.asarray(values))
        coefficients = np.linalg.lstsq(design, ranks, rcond=None)[0]
        # Rounded: for a score that is one of the controls only rounding errors remain, which must
        # not be ranked.
        rounded: FloatArray = np.round(ranks - design @ coefficients, 8)
        return rounded

    return kendall(residuals(a), residuals(b))


def ndcg(score: ArrayLike, truth: ArrayLike, k: int = 10) -> float:
    """Return the normalised discounted cumulative gain of the k best by score.

    The gain of an entry is the rank of its true value, scaled to 0..1.

    Source: K. Järvelin, J. Kekäläinen, ACM TOIS 20 (2002).
    """
    from scipy.stats import rankdata

    gains = (rankdata(np.asarray(truth)) - 1) / max(len(np.asarray(truth)) - 1, 1)
    k = min(k, len(gains))
    discounts = 1 / np.log2(np.arange(2, k + 2))
    best = float(np.sort(gains)[::-1][:k] @ discounts)
    chosen = np.argsort(-np.asarray(score, dtype=float), kind="stable")[:k]
    return float(gains[chosen] @ discounts) / best if best else 1.0


def regret(score: ArrayLike, truth: ArrayLike) -> float:
    """Return the best true value minus that of the best entry by score, in the truth's unit."""
    values = np.asarray(truth, dtype=float)
    return float(values.max() - values[int(np.argmax(np.asarray(score)))])


def paired_bootstrap(
    figure: Callable[[IndexArray], float],
    n: int,
    rng: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Return the percentile interval of a figure over resampled networks.

    Args:
        figure: Function of the indices (n,) of the resampled networks. For a difference of two
            figures it computes both on the same networks (paired).
        n: Number of networks.
        rng: Random generator of the resampling.
        resamples: Number of resamples.
        level: Confidence level of the interval.
    """
    values = [figure(rng.integers(0, n, n)) for _ in range(resamples)]
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)


def noise_ceiling(
    truth: ArrayLike, seed_sd: float, rng: np.random.Generator, draws: int = 500
) -> float:
    """Return the Kendall's tau of a perfect prediction with one noisy measurement of each network.

    The measured values scatter more than the true ones. So they are first shrunk towards their
    mean, to remove the part of their variance that is noise; then noise is added again, and the two
    are compared.

    Args:
        truth: One measured value of each network, (n,).
        seed_sd: Standard deviation of a measurement over seeds, in the same unit.
        rng: Random generator of the noise.
        draws: Number of simulations.
    """
    values = np.asarray(truth, dtype=float)
    variance = float(values.var(ddof=1))
    # Share of the variance that is not noise; the square root of it scales the deviations.
    share = max(variance - seed_sd**2, 0.0) / variance if variance else 0.0
    true = values.mean() + np.sqrt(share) * (values - values.mean())
    taus = [kendall(true, true + rng.normal(0, seed_sd, len(true))) for _ in range(draws)]
    return float(np.mean(taus))


def _varies(values: ArrayLike) -> bool:
    array = np.asarray(values, dtype=float)
    return bool(np.ptp(array) > 0) if len(array) else False


@dataclass(frozen=True, slots=True)
class TableAgreement:
    """Agreement of two accuracy tables on the networks in both.

    Attributes:
        n: Number of networks in both tables.
        tau: Kendall's rank correlation of their accuracies.
        spearman: Spearman's rank correlation.
        mean: Mean accuracy in the first table, in percent.
        other_mean: Mean accuracy in the other table, in percent.
    """

    n: int
    tau: float
    spearman: float
    mean: float
    other_mean: float

    def to_dict(self) -> dict[str, Any]:
        """Return the agreement as plain data."""
        return asdict(self)


def table_agreement(table: AccuracyTable, other: AccuracyTable) -> TableAgreement:
    """Return the agreement of two tables, such as one of short and one of long trainings.

    Accuracies are averaged over seeds.

    Raises:
        AccuracyError: they share fewer than four networks.
    """
    from scipy.stats import spearmanr

    accuracies = table.accuracies()
    other_accuracies = other.accuracies()
    shared = [key for key in accuracies if key in other_accuracies]
    if len(shared) < _LEAST:
        raise AccuracyError(
            f"{other.where}: shares {len(shared)} trained networks with {table.where}; at least"
            f" {_LEAST} are needed"
        )
    a = np.array([accuracies[key] for key in shared])
    b = np.array([other_accuracies[key] for key in shared])
    return TableAgreement(
        n=len(shared),
        tau=kendall(a, b),
        spearman=float(spearmanr(a, b).statistic),
        mean=float(a.mean()),
        other_mean=float(b.mean()),
    )
