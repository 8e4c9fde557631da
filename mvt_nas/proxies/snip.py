"""SNIP: sensitivity of the loss to the weights, summed over the network.

Source: Lee, Ajanthan and Torr, "SNIP: single-shot network pruning based on connection sensitivity"
(2019), without the normalisation to sum 1; as a score of whole networks: Abdelfattah et al.,
"Zero-cost proxies for lightweight NAS" (2021).
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
    source=(
        "Lee, Ajanthan and Torr, SNIP: single-shot network pruning based on connection"
        " sensitivity, 2019"
    ),
    labelled=True,
    worst=0.0,
    observers=(LossGradients,),
)
def snip(passes: Passes) -> ProxyReading:
    """Return the sum of abs(w · dL/dw) over the weights of convolutions and linear layers, no unit.

    L is the cross entropy in nats, averaged over the batch. BatchNorm uses the statistics of the
    batch, and dropout is off. Frozen weights count like all others.

    Raises:
        MetricError: a label is beyond the outputs of the network, or the network has no weights or
            no logits.
    """
    found = passes.gradients
    saliencies = (
        (weight * found.gradients[name]).abs().sum(dtype=torch.float64)
        for name, weight in found.weights.items()
    )
    return ProxyReading(total(saliencies), (found.coverage,))
