"""Rank aggregate of the counts: parameters, multiply-adds and depth, each ranked among a fixed sample of architectures.

Ranks among the candidates at hand would change with every candidate that joins them. Beyond the
sample the ranks are those of its ends, so two networks larger than all of it are alike.

Source: the aggregation of Lee and Ham, "AZ-NAS: assembling zero-cost proxies for network
architecture search" (2024).
"""

from __future__ import annotations

import math

import numpy as np
from torch import nn

from mvt_nas.proxies.base import PROXIES, Batch, Proxy, ProxyReading
from mvt_nas.proxies.counts import count_layers, count_macs, count_params
from mvt_nas.proxies.passes import Passes, alone
from mvt_nas.proxies.reference_sample import (
    DEPTH,
    LOG_MACS,
    LOG_PARAMS,
    SIZE,
    SampleDistribution,
    log_macs_at_64px,
)


def counting_rank(network: nn.Module, batch: Batch) -> float:
    """Return the sum of log(rank / ranks) of parameters, multiply-adds and depth in the reference sample; 0 is the largest.

    Multiply-adds are scaled to an image of 64 x 64 pixels, on which those of the sample were
    counted.

    Raises:
        MetricError: the network has no weights or no logits.
    """
    return alone(network, batch, read)


def read(passes: Passes) -> ProxyReading:
    """Return the sum of the logarithms of the ranks."""
    counts = (
        (math.log(count_params(passes.network)), LOG_PARAMS),
        (log_macs_at_64px(count_macs(passes.network, passes.batch.images), passes.batch), LOG_MACS),
        (float(count_layers(passes.network)), DEPTH),
    )
    return ProxyReading(math.fsum(log_rank(value, sampled) for value, sampled in counts))


def log_rank(value: float, sampled: SampleDistribution) -> float:
    """Return log(rank / ranks), rank 1 below all of the sample, interpolated between its quantiles."""
    below = float(
        np.interp(value, sampled.quantiles, np.linspace(0.0, 1.0, len(sampled.quantiles)))
    )
    return math.log((SIZE * below + 1.0) / (SIZE + 1.0))


PROXIES.register("counting_rank")(
    Proxy(
        name="counting_rank",
        score=counting_rank,
        direction="max",
        passes="none (1 forward at B = 1 on shapes alone for networks of others)",
        source=(
            "counts; aggregated as in Lee and Ham, AZ-NAS: assembling zero-cost proxies for network"
            " architecture search, 2024"
        ),
        labelled=False,
        worst=-3.0 * math.log(SIZE + 1.0),
        read=read,
    )
)
