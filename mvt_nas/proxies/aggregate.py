"""Aggregate without ranks: the mean of the standardised logarithms of parameters and multiply-adds and of the channel entropy.

Means and deviations are constants (see ``reference_sample.py``), so the score of a network depends
on nothing but the network and the batch. The members are those that were never far from the best
among published rank correlations of hybrid networks.
"""

from __future__ import annotations

import math

from torch import nn

from mvt_nas.proxies import channel_entropy
from mvt_nas.proxies.base import PROXIES, Batch, Proxy, ProxyReading
from mvt_nas.proxies.counts import count_macs, count_params
from mvt_nas.proxies.passes import Passes, alone
from mvt_nas.proxies.reference_sample import CHANNEL_ENTROPY, LOG_MACS, LOG_PARAMS, log_macs_at_64px


def aggregate(network: nn.Module, batch: Batch) -> float:
    """Return the mean of three standard scores, no unit: 0 for an average network of the reference sample, 1 for one deviation above.

    The constants stem from 32 images of 64 x 64 pixels. Multiply-adds are scaled to that; the
    entropy is not, and with other batches the score is moved, not reordered.

    Raises:
        MetricError: no primary block outputs features, or the network has no weights or no logits.
    """
    return alone(network, batch, read, channel_entropy.Spectra)


def read(passes: Passes) -> ProxyReading:
    """Return the mean of the standard scores."""
    entropy = channel_entropy.read(passes)
    log_macs = log_macs_at_64px(count_macs(passes.network, passes.batch.images), passes.batch)
    values = {
        LOG_PARAMS: math.log(count_params(passes.network)),
        LOG_MACS: log_macs,
        CHANNEL_ENTROPY: entropy.value,
    }
    return ProxyReading(
        sum(sampled.standard(value) for sampled, value in values.items()) / len(values),
        entropy.coverage,
    )


PROXIES.register("aggregate")(
    Proxy(
        name="aggregate",
        score=aggregate,
        direction="max",
        passes="1 forward of the batch",
        source=(
            "mvt-nas; members from Lee and Ham, AZ-NAS: assembling zero-cost proxies for network"
            " architecture search, 2024"
        ),
        labelled=False,
        worst=sum(sampled.standard(0.0) for sampled in (LOG_PARAMS, LOG_MACS, CHANNEL_ENTROPY)) / 3,
        read=read,
        watches=(channel_entropy.Spectra,),
    )
)
