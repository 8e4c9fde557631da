"""GradNorm: norms of the loss's gradients, summed over the layers.

Before a BatchNorm, a gradient is inversely proportional to the scale of the weight, so the score
depends on the initialisation.

Source: Abdelfattah et al., "Zero-cost proxies for lightweight NAS" (2021).
"""

from __future__ import annotations

import torch

from mvt_nas.proxies.base import proxy
from mvt_nas.proxies.gradients import LossGradients
from mvt_nas.proxies.passes import Passes, total
from mvt_nas.proxies.types import ProxyReading


@proxy(
    direction="max",
    passes="1 forward + 1 backward of the batch",
    source=("Abdelfattah, Mehrotra, Dudziak and Lane, Zero-cost proxies for lightweight NAS, 2021"),
    labelled=True,
    worst=0.0,
    observers=(LossGradients,),
)
def grad_norm(passes: Passes) -> ProxyReading:
    """Return the sum of the Euclidean norms of dL/dw, no unit.

    The sum is over the weights of convolutions and linear layers. L is the cross entropy in nats,
    averaged over the batch. BatchNorm uses the statistics of the batch, and dropout is off.

    Raises:
        MetricError: a label is beyond the outputs of the network, or the network has no weights or
            no logits.
    """
    found = passes.gradients
    norms = (
        torch.linalg.vector_norm(gradient, dtype=torch.float64)
        for gradient in found.gradients.values()
    )
    return ProxyReading(total(norms), (found.coverage,))
