"""ZiCo: agreement of the gradients of different images, layer by layer.

The source takes two batches; here they are the halves of one. No term is negative: for two values,
the mean magnitude is at least the deviation. A layer adds about the logarithm of its size, so the
score counts layers and widths.

Source: Li, Yang, Bhardwaj and Marculescu, "ZiCo: zero-shot NAS via inverse coefficient of variation
on gradients" (2023).
"""

from __future__ import annotations

import torch
from torch import Tensor

from mvt_nas.proxies.base import proxy
from mvt_nas.proxies.passes import Passes, total
from mvt_nas.proxies.types import Coverage, ProxyReading


@proxy(
    direction="max",
    passes="1 forward + 1 backward of each half of the batch",
    source=(
        "Li, Yang, Bhardwaj and Marculescu, ZiCo: zero-shot NAS via inverse coefficient of"
        " variation on gradients, 2023"
    ),
    labelled=True,
    worst=0.0,
)
def zico(passes: Passes) -> ProxyReading:
    """Return the sum over layers of log(sum over weights of mean(abs(g)) / deviation(g)), no unit.

    Mean and (population) deviation are those of g = dL/dw over the two halves of the batch, with L
    the cross entropy in nats, averaged over a half. A weight with equal gradients adds nothing.
    BatchNorm uses the statistics of each half, and dropout is off.

    Raises:
        MetricError: the batch is too small to be halved, a label is beyond the outputs, or the
            network has no weights or no logits.
    """
    first, second = (half.gradients for half in passes.halves)
    layers = [inverse_variation(first[name], second[name]) for name in first]
    # The logarithm is not defined for a layer in which no gradient varies.
    counted = [layer.log() for layer in layers if layer != 0.0]
    coverage = Coverage("layers with gradients that vary", len(counted), len(layers))
    value = total(counted) if counted else float("nan")
    return ProxyReading(value, (passes.halves[0].coverage, coverage))


def inverse_variation(first: Tensor, second: Tensor) -> Tensor:
    """Return the sum over the elements of mean(abs(g)) / deviation(g) of two values, in float64."""
    # With two values, deviation = abs(a - b) / 2 and mean magnitude = (abs(a) + abs(b)) / 2: the
    # halves cancel.
    spread = (first - second).abs()
    ratios = (first.abs() + second.abs()) / spread
    return torch.where(spread == 0.0, 0.0, ratios).sum(dtype=torch.float64)
