"""GradNorm: the lengths of the loss's gradients, summed over the layers.

Behind a BatchNorm a gradient is inversely proportional to the scale of the weight, so the score
depends on how weights are initialised.

Source: Abdelfattah et al., "Zero-cost proxies for lightweight NAS" (2021).
"""

from __future__ import annotations

import torch
from torch import nn

from mvt_nas.proxies.base import PROXIES, Batch, Proxy, ProxyReading
from mvt_nas.proxies.gradients import LossGradients
from mvt_nas.proxies.passes import Passes, alone, total


def grad_norm(network: nn.Module, batch: Batch) -> float:
    """Return the sum of the Euclidean norms of dL/dw over the weights of convolutions and linear maps, no unit.

    L is the cross entropy in nats, averaged over the batch. BatchNorm uses the statistics of the
    batch, dropout is off. The network is left as found.

    Raises:
        MetricError: a label is beyond the outputs of the network, or the network has no weights or
            no logits.
    """
    return alone(network, batch, read, LossGradients)


def read(passes: Passes) -> ProxyReading:
    """Return the sum of the norms of the gradients."""
    found = passes.gradients
    norms = (
        torch.linalg.vector_norm(gradient, dtype=torch.float64)
        for gradient in found.gradients.values()
    )
    return ProxyReading(total(norms), (found.coverage,))


PROXIES.register("grad_norm")(
    Proxy(
        name="grad_norm",
        score=grad_norm,
        direction="max",
        passes="1 forward + 1 backward of the batch",
        source=(
            "Abdelfattah, Mehrotra, Dudziak and Lane, Zero-cost proxies for lightweight NAS, 2021"
        ),
        labelled=True,
        worst=0.0,
        read=read,
        watches=(LossGradients,),
    )
)
