"""SWAP: number of different patterns of a network's units over the images of a batch.

A unit's pattern has one bit per image: whether the activation's input is positive there. Patterns
are distinguished by 64 bits each, exactly for up to 64 images and by a hash for more, so that
memory stays within 8 bytes per different pattern. B images allow 2 ** B patterns: with a batch of
8, every larger network has 256.

Source: Peng, Song, Fayek, Ciesielski and Chang, "SWAP-NAS: sample-wise activation patterns for
ultra-fast NAS" (2024), without the regularisation by size.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mvt_nas.proxies.base import proxy
from mvt_nas.proxies.observers import ForwardObserver, ForwardPass, by_image
from mvt_nas.proxies.passes import Passes, activation_coverage
from mvt_nas.proxies.types import Batch, ProxyReading

# Bits of a word: a sum of powers of two below 2 ** 16 is exact in float32.
_BITS = 16
# Multiplier of the hash: 2 ** 64 over the golden ratio as a signed integer, which is odd and so
# maps 64-bit integers one to one.
_ODD = -7046029254386353131


class Patterns(ForwardObserver):
    """Collects the different patterns of each activation.

    Attributes:
        keys: Keys of the patterns, one sorted tensor per activation, without repetition.
        finite: Whether the logits are finite.
        layers: Number of activations seen.
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
            self.keys.append(torch.unique(pattern_keys(rows)).cpu())

    def finish(self, run: ForwardPass) -> None:
        """Check whether the logits are finite."""
        self.finite = bool(run.logits.isfinite().all())


def pattern_keys(rows: Tensor) -> Tensor:
    """Return a 64-bit key for the pattern of each unit, (units,), from values (B, units)."""
    on = torch.gt(rows, 0.0, out=torch.empty_like(rows, dtype=torch.float32))
    words = [_word(part).long() for part in torch.split(on, _BITS)]
    keys = torch.zeros_like(words[0])
    for index, word in enumerate(words):
        if index < 4:  # noqa: SIM108  # both branches need a comment
            # The first four words fill the 64 bits.
            keys = keys ^ (word << (_BITS * index))
        else:
            # Every further word is combined with mixed bits of those before it.
            keys = ((keys ^ (keys >> 29)) * _ODD) ^ word
    return keys


def _word(bits: Tensor) -> Tensor:
    return (2.0 ** torch.arange(len(bits), device=bits.device)) @ bits


@proxy(
    direction="max",
    passes="1 forward of the batch",
    source=(
        "Peng, Song, Fayek, Ciesielski and Chang, SWAP-NAS: sample-wise activation patterns for"
        " ultra-fast NAS, 2024"
    ),
    labelled=False,
    worst=0.0,
    observers=(Patterns,),
)
def swap(passes: Passes) -> ProxyReading:
    """Return the number of different patterns among all units of a network.

    BatchNorm uses the statistics of the batch, and dropout is off.

    Raises:
        MetricError: the network has no weights or no logits, or the batch is too small.
    """
    seen = passes.observer(Patterns)
    coverage = activation_coverage(passes, len(seen.keys), seen.layers)
    if not seen.keys or not seen.finite:
        return ProxyReading(math.nan, coverage, "no activations" if seen.finite else "")
    return ProxyReading(float(len(torch.unique(torch.cat(seen.keys)))), coverage)
