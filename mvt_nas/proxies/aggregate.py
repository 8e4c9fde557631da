"""Aggregate without ranks: mean of the standardised log-params, log-MACs and channel entropy.

Means and deviations are constants (see ``reference_sample.py``), so the score of a network depends
only on the network and the batch. The members are those that were never far from the best among
published rank correlations of hybrid networks.
"""

from __future__ import annotations

import math

from mvt_nas.proxies.base import proxy
from mvt_nas.proxies.channel_entropy import Spectra, channel_entropy
from mvt_nas.proxies.counts import count_macs, count_params
from mvt_nas.proxies.passes import Passes
from mvt_nas.proxies.reference_sample import CHANNEL_ENTROPY, LOG_MACS, LOG_PARAMS, log_macs_at_64px
from mvt_nas.proxies.types import ProxyReading


@proxy(
    direction="max",
    passes="1 forward of the batch",
    source=(
        "mvt-nas; members from Lee and Ham, AZ-NAS: assembling zero-cost proxies for network"
        " architecture search, 2024"
    ),
    labelled=False,
    worst=sum(sampled.standard(0.0) for sampled in (LOG_PARAMS, LOG_MACS, CHANNEL_ENTROPY)) / 3,
    observers=(Spectra,),
)
def aggregate(passes: Passes) -> ProxyReading:
    """Return the mean of three standard scores, no unit.

    It is 0 for an average network of the reference sample, and 1 for one standard deviation above.
    The constants stem from 32 images of 64 x 64 pixels. Multiply-adds are scaled to that size. The
    entropy is not: other batches shift the score without reordering networks.

    Raises:
        MetricError: no primary block outputs features, or the network has no weights or no logits.
    """
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
