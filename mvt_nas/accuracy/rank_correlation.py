"""How well one list of numbers orders another: the figures by which scores and surrogates are judged.

All take values that are higher for better networks; direction is the caller's business.

Whether two tables order the same networks alike, such as one of short trainings and one of long
ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mvt_nas._typing import FloatArray
from mvt_nas.accuracy.table import AccuracyTable
from mvt_nas.errors import AccuracyError


def kendall(a: ArrayLike, b: ArrayLike) -> float:
    """Return Kendall's tau-b; 0 where one of the lists is constant."""
    from scipy.stats import kendalltau

    value = (
        float(kendalltau(np.asarray(a), np.asarray(b)).statistic)
        if _varies(a) and _varies(b)
        else 0.0
    )
    return value if np.isfinite(value) else 0.0


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Return Spearman's rank correlation; 0 where one of the lists is constant."""
    from scipy.stats import spearmanr

    return (
        float(spearmanr(np.asarray(a), np.asarray(b)).statistic)
        if _varies(a) and _varies(b)
        else 0.0
    )


def partial_kendall(a: ArrayLike, b: ArrayLike, given: ArrayLike) -> float:
    """Return Kendall's tau-b of what is left of both lists when their ranks are regressed on the ranks of some controls.

    Args:
        a: (n,).
        b: (n,).
        given: controls, (n, k).
    """
    from scipy.stats import rankdata

    controls = np.asarray(given, dtype=float).reshape(len(np.asarray(a)), -1)
    design = np.column_stack([np.ones(len(controls)), *(rankdata(column) for column in controls.T)])

    def rest(values: ArrayLike) -> FloatArray:
        ranks = rankdata(np.asarray(values))
        # A score that is one of the controls leaves rounding errors only, which must not be ranked.
        left: FloatArray = np.round(
            ranks - design @ np.linalg.lstsq(design, ranks, rcond=None)[0], 8
        )
        return left

    return kendall(rest(a), rest(b))


def ndcg(score: ArrayLike, truth: ArrayLike, k: int = 10) -> float:
    """Return the normalised discounted cumulative gain of the k best by score; the gain is the rank of the truth, scaled to 0..1.

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
    """Return by how much the pick of the score falls short of the best, in the unit of the truth."""
    values = np.asarray(truth, dtype=float)
    return float(values.max() - values[int(np.argmax(np.asarray(score)))])


def paired_bootstrap(
    figure: Callable[[NDArray[np.intp]], float],
    n: int,
    rng: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Return the percentile interval of a figure of resampled networks.

    Args:
        figure: of the networks with given indices, (n,); for a difference of two, both are computed
            on the same networks.
        n: number of networks.
        rng: of the resampling.
        resamples: how many.
        level: of the interval.
    """
    values = [figure(rng.integers(0, n, n)) for _ in range(resamples)]
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)


def noise_ceiling(
    truth: ArrayLike, seed_sd: float, rng: np.random.Generator, draws: int = 500
) -> float:
    """Return the Kendall's tau that a perfect prediction would have with one noisy measurement of each network.

    The measured values scatter more than the true ones: they are first shrunk to their mean by the
        share of their variance that is
    noise, then noise of that size is added again, and the two are compared.

    Args:
        truth: one measured value of each network, (n,).
        seed_sd: standard deviation of a measurement over seeds, in the same unit.
        rng: of the noise.
        draws: how often it is simulated.
    """
    values = np.asarray(truth, dtype=float)
    spread = float(values.var(ddof=1))
    share = max(spread - seed_sd**2, 0.0) / spread if spread else 0.0
    true = values.mean() + np.sqrt(share) * (values - values.mean())
    return float(
        np.mean([kendall(true, true + rng.normal(0, seed_sd, len(true))) for _ in range(draws)])
    )


def _varies(values: ArrayLike) -> bool:
    array = np.asarray(values, dtype=float)
    return bool(np.ptp(array) > 0) if len(array) else False


_LEAST = 4


@dataclass(frozen=True, slots=True)
class TableAgreement:
    """How alike two tables are, over the networks that both hold.

    Attributes:
        n: number of these networks.
        tau: Kendall's rank correlation of their accuracies.
        spearman: Spearman's.
        mean: their mean accuracy in the one table, in percent.
        other_mean: in the other.
    """

    n: int
    tau: float
    spearman: float
    mean: float
    other_mean: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def table_agreement(table: AccuracyTable, other: AccuracyTable) -> TableAgreement:
    """Return how alike two tables order the networks that both hold; accuracies are averaged over seeds.

    Raises:
        AccuracyError: they share fewer than four networks.
    """
    from scipy.stats import spearmanr

    there, here = table.accuracies(), other.accuracies()
    shared = [key for key in there if key in here]
    if len(shared) < _LEAST:
        raise AccuracyError(
            f"{other.where}: shares {len(shared)} trained networks with {table.where}; at least"
            f" {_LEAST} are needed"
        )
    a, b = (np.array([found[key] for key in shared]) for found in (there, here))
    return TableAgreement(
        len(shared),
        kendall(a, b),
        float(spearmanr(a, b).statistic),
        float(a.mean()),
        float(b.mean()),
    )
