"""SNIP: how much the loss leans on the weights, summed over the network.

Source: Lee, Ajanthan and Torr, "SNIP: single-shot network pruning based on connection sensitivity" (2019), without the
normalisation to sum 1; as a score of whole networks: Abdelfattah et al., "Zero-cost proxies for lightweight NAS" (2021).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mvt_nas.errors import MetricError
from mvt_nas.proxies.contract import PROXIES, Batch, Proxy
from mvt_nas.proxies.preserve import left_as_found
from mvt_nas.proxies.roles import forward, weight_names


def snip(network: nn.Module, batch: Batch) -> float:
    """Return the sum of abs(w · dL/dw) over the weights of convolutions and linear maps, no unit.

    L is the cross entropy in nats, averaged over the batch. BatchNorm uses the statistics of the batch, dropout is off. Frozen weights
    count like all others. The network is left as found.

    Raises:
        MetricError: a label is beyond the outputs of the network, or the network has no weights or no logits.
    """
    parameters = dict(network.named_parameters())
    with left_as_found(network), torch.enable_grad():
        weights = {name: parameters[name].detach().requires_grad_() for name in weight_names(network)}
        logits = forward(network, batch.images, weights)
        _check_labels(batch.labels, logits)
        loss = functional.cross_entropy(logits, batch.labels)
        gradients = torch.autograd.grad(loss, list(weights.values()), materialize_grads=True)
        saliencies = [
            (weight * gradient).abs().sum(dtype=torch.float64) for weight, gradient in zip(weights.values(), gradients, strict=True)
        ]
    return float(torch.stack(saliencies).detach().sum())


def _check_labels(labels: Tensor, logits: Tensor) -> None:
    outputs = logits.shape[1]
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= outputs:
        raise MetricError(f"labels from {low} to {high} for a network with {outputs} outputs: 0 to {outputs - 1} are allowed")


PROXIES.register("snip")(
    Proxy(
        name="snip",
        score=snip,
        direction="max",
        passes="1 forward + 1 backward of the batch",
        source="Lee, Ajanthan and Torr, SNIP: single-shot network pruning based on connection sensitivity, 2019",
        labelled=True,
        worst=0.0,
    )
)
