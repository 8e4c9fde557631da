"""ZiCo: how much the gradients of different images agree, layer by layer.

Source: Li, Yang, Bhardwaj and Marculescu, "ZiCo: zero-shot NAS via inverse coefficient of variation
on gradients" (2023). The source takes two batches; here they are the halves of one. No term is
negative: of two values, the mean magnitude is at least the deviation. A layer adds about the
logarithm of its size, so the score counts layers and widths.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mvt_nas.proxies.base import PROXIES, Batch, Coverage, Proxy, ProxyReading
from mvt_nas.proxies.passes import Passes, alone, total


def zico(network: nn.Module, batch: Batch) -> float:
    """Return the sum over the layers of log(sum over their weights of mean(abs(g)) / deviation(g)), no unit.

    Mean and deviation (of the population) are those of dL/dw of the two halves of the batch, L the
    cross entropy in nats averaged over a half. A weight whose gradients are equal adds nothing.
    BatchNorm uses the statistics of each half, dropout is off. The network is left as found.

    Raises:
        MetricError: the batch is too small to be halved, a label is beyond the outputs, or the
            network has no weights or no logits.
    """
    return alone(network, batch, read)


def read(passes: Passes) -> ProxyReading:
    """Return the sum over the layers of the logarithm of the inverse coefficients of variation."""
    first, second = (half.gradients for half in passes.halves)
    layers = [inverse_variation(first[name], second[name]) for name in first]
    # A layer without a weight that varies has nothing to take the logarithm of.
    counted = [layer.log() for layer in layers if layer != 0.0]
    coverage = Coverage("layers with gradients that vary", len(counted), len(layers))
    value = total(counted) if counted else float("nan")
    return ProxyReading(value, (passes.halves[0].coverage, coverage))


def inverse_variation(first: Tensor, second: Tensor) -> Tensor:
    """Return the sum over all elements of mean(abs(g)) / deviation(g) of two values g, a scalar in float64."""
    spread = (first - second).abs()
    ratios = (first.abs() + second.abs()) / spread
    return torch.where(spread == 0.0, 0.0, ratios).sum(dtype=torch.float64)


PROXIES.register("zico")(
    Proxy(
        name="zico",
        score=zico,
        direction="max",
        passes="1 forward + 1 backward of each half of the batch",
        source=(
            "Li, Yang, Bhardwaj and Marculescu, ZiCo: zero-shot NAS via inverse coefficient of"
            " variation on gradients, 2023"
        ),
        labelled=True,
        worst=0.0,
        read=read,
    )
)
