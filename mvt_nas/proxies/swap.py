"""SWAP: how many different patterns the units of a network show over the images of a batch.

A unit's pattern has one bit per image: whether the activation's input is positive there. Patterns
are told apart by 64 bits each, exactly for up to 64 images and by a hash for more, so that memory
stays within 8 bytes per different pattern. B images allow 2 ** B patterns: with a batch of 8, every
larger network has 256.

Source: Peng, Song, Fayek, Ciesielski and Chang, "SWAP-NAS: sample-wise activation patterns for
ultra-fast NAS" (2024), without the regularisation by size.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from mvt_nas.proxies.base import PROXIES, Batch, Proxy, ProxyReading
from mvt_nas.proxies.observers import ForwardObserver, ForwardPass, by_image
from mvt_nas.proxies.passes import Passes, activation_coverage, alone

_BITS = 16  # of a word: float32 adds up as many exactly, and whatever comes after them
_ODD = -7046029254386353131


class Patterns(ForwardObserver):
    """Collects the different patterns of each activation.

    Attributes:
        keys: of the patterns, each activation's sorted and without repetition.
        finite: whether the pass gave numbers.
        layers: activations seen.
    """

    sees_activations = True

    def __init__(self, network: nn.Module, batch: Batch) -> None:
        super().__init__(network, batch)
        self.keys: list[Tensor] = []
        self.finite = True
        self.layers = 0

    def before_activation(self, values: Tensor) -> None:
        """Collect the patterns of one activation."""
        self.layers += 1
        rows = by_image(values, self.images)
        if rows is not None:
            self.keys.append(different(pattern_keys(rows)))

    def finish(self, run: ForwardPass) -> None:
        """See whether the pass gave numbers."""
        self.finite = bool(run.logits.isfinite().all())


def pattern_keys(rows: Tensor) -> Tensor:
    """Return a key of 64 bits for the pattern of each unit, (units,), from values (B, units)."""
    on = torch.gt(rows, 0.0, out=torch.empty_like(rows, dtype=torch.float32))
    words = [_word(part).long() for part in torch.split(on, _BITS)]
    keys = torch.zeros_like(words[0])
    for index, word in enumerate(words):
        # The first four fill the 64 bits; every further one finds them stirred.
        keys = (
            keys ^ (word << (_BITS * index)) if index < 4 else ((keys ^ (keys >> 29)) * _ODD) ^ word
        )
    return keys


def _word(bits: Tensor) -> Tensor:
    return (2.0 ** torch.arange(len(bits), device=bits.device)) @ bits


def different(keys: Tensor) -> Tensor:
    """Return the different keys, sorted."""
    ordered = torch.from_numpy(np.sort(keys.cpu().numpy()))
    return ordered[torch.cat([torch.ones(1, dtype=torch.bool), ordered[1:] != ordered[:-1]])]


def swap(network: nn.Module, batch: Batch) -> float:
    """Return the number of different patterns among all units of a network.

    BatchNorm uses the statistics of the batch, dropout is off. The network is left as found.

    Raises:
        MetricError: the network has no weights or no logits, or the batch is too small.
    """
    return alone(network, batch, read, Patterns)


def read(passes: Passes) -> ProxyReading:
    """Return the number of different patterns."""
    seen = passes.watched(Patterns)
    coverage = activation_coverage(passes, len(seen.keys), seen.layers)
    if not seen.keys or not seen.finite:
        return ProxyReading(math.nan, coverage, "no activations" if seen.finite else "")
    return ProxyReading(float(len(different(torch.cat(seen.keys)))), coverage)


PROXIES.register("swap")(
    Proxy(
        name="swap",
        score=swap,
        direction="max",
        passes="1 forward of the batch",
        source=(
            "Peng, Song, Fayek, Ciesielski and Chang, SWAP-NAS: sample-wise activation patterns for"
            " ultra-fast NAS, 2024"
        ),
        labelled=False,
        worst=0.0,
        read=read,
        watches=(Patterns,),
    )
)
