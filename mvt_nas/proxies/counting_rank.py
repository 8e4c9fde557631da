"""Rank aggregate of the counts: parameters, multiply-adds and depth, ranked in a fixed sample.

Ranks among the current candidates would change with every new candidate. Networks beyond the sample
get the rank of its end, so two networks larger than all of the sample score alike.

Source: the aggregation of Lee and Ham, "AZ-NAS: assembling zero-cost proxies for network
architecture search" (2024).
"""

from __future__ import annotations

import math

import numpy as np

from mvt_nas.proxies.base import proxy
from mvt_nas.proxies.counts import count_layers, count_macs, count_params
from mvt_nas.proxies.passes import Passes
from mvt_nas.proxies.reference_sample import (
    DEPTH,
    LOG_MACS,
    LOG_PARAMS,
    SIZE,
    SampleDistribution,
    log_macs_at_64px,
)
from mvt_nas.proxies.types import ProxyReading


@proxy(
    direction="max",
    passes="none (1 forward at B = 1 on shapes alone for networks of others)",
    source=(
        "counts; aggregated as in Lee and Ham, AZ-NAS: assembling zero-cost proxies for network"
        " architecture search, 2024"
    ),
    labelled=False,
    worst=-3.0 * math.log(SIZE + 1.0),
)
def counting_rank(passes: Passes) -> ProxyReading:
    """Return the sum of log(rank / ranks) of parameters, multiply-adds and depth; 0 is the largest.

    The ranks are those in the reference sample. Multiply-adds are scaled to an image of 64 x 64
    pixels, the resolution at which the sample was counted.

    Raises:
        MetricError: the network has no weights or no logits.
    """
    counts = (
        (math.log(count_params(passes.network)), LOG_PARAMS),
        (log_macs_at_64px(count_macs(passes.network, passes.batch.images), passes.batch), LOG_MACS),
        (float(count_layers(passes.network)), DEPTH),
    )
    return ProxyReading(math.fsum(log_rank(value, sampled) for value, sampled in counts))


def log_rank(value: float, sampled: SampleDistribution) -> float:
    """Return log(rank / ranks), interpolated between the quantiles of the sample.

    A value below the whole sample has rank 1.
    """
    below = float(
        np.interp(value, sampled.quantiles, np.linspace(0.0, 1.0, len(sampled.quantiles)))
    )
    return math.log((SIZE * below + 1.0) / (SIZE + 1.0))
