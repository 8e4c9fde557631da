"""Entropic score: how evenly the units of each activation respond to the images of a batch.

The normalisation is ours: of each unit the magnitudes over the batch are made a distribution, whose
entropy is log B if it responds to all images alike and 0 if it responds to one. A layer adds the
mean over its units, so the score counts activations and not widths.

Source: Cavagnero, Robbiano, Pistilli, Caputo and Averta, "Entropic score metric: decoupling
topology and size in training-free NAS" (2023).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mvt_nas.proxies.base import PROXIES, Batch, Proxy, ProxyReading
from mvt_nas.proxies.observers import ForwardObserver, by_image
from mvt_nas.proxies.passes import Passes, activation_coverage, alone


class ActivationEntropy(ForwardObserver):
    """Collects the mean entropy of each activation.

    Attributes:
        entropies: in nats, one per activation that goes by images.
        layers: activations seen.
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
    """Return the entropy in nats of abs(column) over its sum, averaged over the columns of (B, units); of zeros it is zero."""
    magnitudes = rows.abs()
    totals = magnitudes.sum(dim=0)
    # The entropy of a / S is log S - sum(a log a) / S. Of zeros, a log a is made zero by hand:
    # torch.xlogy takes three times as long.
    products = magnitudes.clamp_min(torch.finfo(rows.dtype).tiny).log_().mul_(magnitudes)
    entropies = totals.log() - products.sum(dim=0) / totals
    return float(torch.where(totals == 0.0, 0.0, entropies).mean(dtype=torch.float64))


def entropic(network: nn.Module, batch: Batch) -> float:
    """Return the sum over the activations of the mean entropy of their units' responses, in nats.

    BatchNorm uses the statistics of the batch, dropout is off. The network is left as found.

    Raises:
        MetricError: the network has no weights or no logits, or the batch is too small.
    """
    return alone(network, batch, read, ActivationEntropy)


def read(passes: Passes) -> ProxyReading:
    """Return the sum of the entropies."""
    seen = passes.watched(ActivationEntropy)
    coverage = activation_coverage(passes, len(seen.entropies), seen.layers)
    if not seen.entropies:
        return ProxyReading(math.nan, coverage, "no activations")
    return ProxyReading(math.fsum(seen.entropies), coverage)


PROXIES.register("entropic")(
    Proxy(
        name="entropic",
        score=entropic,
        direction="max",
        passes="1 forward of the batch",
        source="Cavagnero, Robbiano, Pistilli, Caputo and Averta, Entropic score metric, 2023",
        labelled=False,
        worst=0.0,
        read=read,
        watches=(ActivationEntropy,),
    )
)
