"""Entropic score: evenness of each unit's responses to the images of a batch.

The normalisation is ours: the magnitudes of a unit over the batch are normalised to a distribution,
whose entropy is log B if the unit responds to all images alike and 0 if it responds to one. A layer
adds the mean over its units, so the score counts activations and not widths.

Source: Cavagnero, Robbiano, Pistilli, Caputo and Averta, "Entropic score metric: decoupling
topology and size in training-free NAS" (2023).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mvt_nas.proxies.base import proxy
from mvt_nas.proxies.observers import ForwardObserver, by_image
from mvt_nas.proxies.passes import Passes, activation_coverage
from mvt_nas.proxies.types import Batch, ProxyReading


class ActivationEntropy(ForwardObserver):
    """Collects the mean entropy of each activation.

    Attributes:
        entropies: Mean entropies in nats, one per activation whose first axis is the images.
        layers: Number of activations seen.
    """

    sees_activations = True

    def __init__(self, network: nn.Module, batch: Batch) -> None:
        super().__init__(network, batch)
        self.entropies: list[float] = []
        self.layers = 0

    def after_activation(self, values: Tensor) -> None:
        """Collect the entropy of one activation."""
        self.layers += 1
        rows = by_image(values, self.images)
        if rows is not None:
            self.entropies.append(mean_entropy(rows))


def mean_entropy(rows: Tensor) -> float:
    """Return the mean over the columns of (B, units) of the entropy of abs(column) / sum, in nats.

    A column of zeros has entropy zero.
    """
    magnitudes = rows.abs()
    totals = magnitudes.sum(dim=0)
    # The entropy of a / S is log S - sum(a log a) / S. Clamping makes a log a zero for a = 0, three
    # times as fast as torch.xlogy.
    products = magnitudes.clamp_min(torch.finfo(rows.dtype).tiny).log_().mul_(magnitudes)
    entropies = totals.log() - products.sum(dim=0) / totals
    return float(torch.where(totals == 0.0, 0.0, entropies).mean(dtype=torch.float64))


@proxy(
    direction="max",
    passes="1 forward of the batch",
    source="Cavagnero, Robbiano, Pistilli, Caputo and Averta, Entropic score metric, 2023",
    labelled=False,
    worst=0.0,
    observers=(ActivationEntropy,),
)
def entropic(passes: Passes) -> ProxyReading:
    """Return the sum over the activations of the mean entropy of their units' responses, in nats.

    BatchNorm uses the statistics of the batch, and dropout is off.

    Raises:
        MetricError: the network has no weights or no logits, or the batch is too small.
    """
    seen = passes.observer(ActivationEntropy)
    coverage = activation_coverage(passes, len(seen.entropies), seen.layers)
    if not seen.entropies:
        return ProxyReading(math.nan, coverage, "no activations")
    return ProxyReading(math.fsum(seen.entropies), coverage)
