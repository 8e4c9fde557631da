"""A low quantile of repeated timings, and how well it is known.

Noise only ever adds to a running time, so that its low end is the property of the network and its
mean that of the other programs. The minimum is the extreme of the low end; the 10th percentile does
not hang on one lucky call.

Source: exact bootstrap of an order statistic: Hutson and Ernst, "The exact bootstrap mean and
variance of an L-estimator" (2000), with the distribution in Efron, "Bootstrap methods: another look
at the jackknife" (1979). It needs no resampling and no random numbers.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

LOW = 0.1
COVERAGE = 0.95


def low_quantile(samples: ArrayLike, share: float = LOW) -> float:
    """Return the smallest sample that at least ``share`` of the samples do not exceed, in their unit."""
    ordered = np.sort(np.asarray(samples, dtype=np.float64))
    return float(ordered[_rank(len(ordered), share) - 1])


def bootstrap_interval(
    samples: ArrayLike, share: float = LOW, coverage: float = COVERAGE
) -> tuple[float, float]:
    """Return the ends of the bootstrap interval of :func:`low_quantile`, in the samples' unit.

    They are the quantiles of what ``low_quantile`` would say of infinitely many resamples, each
    drawn with replacement. The samples are taken to be independent.
    """
    from scipy.special import betainc  # here: only who measures pays for scipy

    ordered: NDArray[np.float64] = np.sort(np.asarray(samples, dtype=np.float64))
    n = len(ordered)
    rank = _rank(n, share)
    # The rank-th of n draws is at most the i-th sample if at least rank draws hit the first i, each
    # with probability i / n.
    cumulative = betainc(rank, n - rank + 1, np.arange(1, n + 1) / n)
    tail = (1 - coverage) / 2
    low, high = (int(np.searchsorted(cumulative, probability)) for probability in (tail, 1 - tail))
    return float(ordered[low]), float(ordered[high])


def _rank(n: int, share: float) -> int:
    return max(1, math.ceil(share * n - 1e-9))
