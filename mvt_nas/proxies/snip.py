"""SNIP: how much the loss leans on the weights, summed over the network.

Source: Lee, Ajanthan and Torr, "SNIP: single-shot network pruning based on connection sensitivity"
(2019), without the normalisation to sum 1; as a score of whole networks: Abdelfattah et al.,
"Zero-cost proxies for lightweight NAS" (2021).
"""

from __future__ import annotations

import torch
from torch import nn

from mvt_nas.proxies.base import PROXIES, Batch, Proxy, ProxyReading
from mvt_nas.proxies.gradients import LossGradients
from mvt_nas.proxies.passes import Passes, alone, total


def snip(network: nn.Module, batch: Batch) -> float:
    """Return the sum of abs(w · dL/dw) over the weights of convolutions and linear maps, no unit.

    L is the cross entropy in nats, averaged over the batch. BatchNorm uses the statistics of the
    batch, dropout is off. Frozen weights count like all others. The network is left as found.

    Raises:
        MetricError: a label is beyond the outputs of the network, or the network has no weights or
            no logits.
    """
    return alone(network, batch, read, LossGradients)


def read(passes: Passes) -> ProxyReading:
    """Return the sum of abs(w · dL/dw)."""
    found = passes.gradients
    saliencies = (
        (weight * found.gradients[name]).abs().sum(dtype=torch.float64)
        for name, weight in found.weights.items()
    )
    return ProxyReading(total(saliencies), (found.coverage,))


PROXIES.register("snip")(
    Proxy(
        name="snip",
        score=snip,
        direction="max",
        passes="1 forward + 1 backward of the batch",
        source=(
            "Lee, Ajanthan and Torr, SNIP: single-shot network pruning based on connection"
            " sensitivity, 2019"
        ),
        labelled=True,
        worst=0.0,
        read=read,
        watches=(LossGradients,),
    )
)
