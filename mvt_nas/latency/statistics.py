"""A low quantile of repeated timings, and its confidence interval.

Noise only ever adds to a running time. So its low end is a property of the network, while its mean
depends on other programs. The minimum is the extreme of the low end; the 10th percentile does not
depend on one lucky call.

Source: exact bootstrap of an order statistic: Hutson and Ernst, "The exact bootstrap mean and
variance of an L-estimator" (2000), with the distribution in Efron, "Bootstrap methods: another look
at the jackknife" (1979). It needs no resampling and no random numbers.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from mvt_nas._typing import FloatArray

LOW = 0.1
COVERAGE = 0.95


def low_quantile(samples: ArrayLike, share: float = LOW) -> float:
    """Return the smallest sample that at least ``share`` of the samples do not exceed.

    The result has the unit of the samples.
    """
    ordered = np.sort(np.asarray(samples, dtype=np.float64))
    return float(ordered[_rank(len(ordered), share) - 1])


def bootstrap_interval(
    samples: ArrayLike, share: float = LOW, coverage: float = COVERAGE
) -> tuple[float, float]:
    """Return the ends of the bootstrap interval of :func:`low_quantile`, in the samples' unit.

    They are the quantiles of ``low_quantile`` over infinitely many resamples, each drawn with
    replacement. The samples are taken to be independent.
    """
    # Imported here: only measurements need scipy.
    from scipy.special import betainc

    ordered: FloatArray = np.sort(np.asarray(samples, dtype=np.float64))
    n = len(ordered)
    rank = _rank(n, share)
    # The rank-th of n draws is at most the i-th sample if at least rank draws hit the first i, each
    # with probability i / n. That is the tail of a binomial distribution, which the regularised
    # incomplete beta function gives.
    cumulative = betainc(rank, n - rank + 1, np.arange(1, n + 1) / n)
    tail = (1 - coverage) / 2
    low = int(np.searchsorted(cumulative, tail))
    high = int(np.searchsorted(cumulative, 1 - tail))
    return float(ordered[low]), float(ordered[high])


def _rank(n: int, share: float) -> int:
    """Return the rank, from 1, of the quantile among ``n`` samples."""
    # The small amount keeps a product such as 0.1 * 30 = 3.0000000000000004 from being rounded up.
    return max(1, math.ceil(share * n - 1e-9))
