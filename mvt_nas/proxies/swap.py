"""SWAP: how many different patterns the units of a network show over the images of a batch.

A unit's pattern has one bit per image: whether the activation's input is positive there. Patterns are told apart by 64 bits each, exactly
for up to 64 images and by a hash for more, so that memory stays within 8 bytes per different pattern. B images allow 2 ** B patterns:
with a batch of 8, every larger network has 256.

Source: Peng, Song, Kong and Wang, "SWAP-NAS: sample-wise activation patterns for ultra-fast NAS" (2024), without the regularisation by
size.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from mvt_nas.proxies.contract import PROXIES, Batch, Proxy, Reading
from mvt_nas.proxies.passes import Passes, activation_coverage, alone
from mvt_nas.proxies.watchers import Watcher, by_image

_WORD = 64
_ODD = np.uint64(0x9E3779B97F4A7C15)


class Patterns(Watcher):
    """Collects the different patterns of each activation.

    Attributes:
        keys: of the patterns, each activation's without repetition.
        finite: whether all inputs were.
        layers: activations seen.
    """

    sees_activations = True

    def __init__(self, network: nn.Module, batch: Batch) -> None:
        super().__init__(network, batch)
        self.keys: list[npt.NDArray[np.uint64]] = []
        self.finite = True
        self.layers = 0

    def before_activation(self, values: Tensor) -> None:
        """Collect the patterns of one activation."""
        self.layers += 1
        rows = by_image(values, self.images)
        if rows is not None:
            self.finite = self.finite and bool(rows.sum().isfinite())
            self.keys.append(np.unique(pattern_keys((rows > 0.0).cpu().numpy())))


def pattern_keys(bits: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """Return a key of 64 bits for the pattern of each unit, (units,), from bits (B, units)."""
    images, units = bits.shape
    packed = np.zeros((-(-images // _WORD) * 8, units), dtype=np.uint8)
    packed[: -(-images // 8)] = np.packbits(bits, axis=0)
    words = np.ascontiguousarray(packed.T).view(np.uint64)
    keys = words[:, 0].copy()
    for word in words.T[1:]:
        keys = (keys ^ (keys >> np.uint64(29))) * _ODD ^ word
    return keys


def swap(network: nn.Module, batch: Batch) -> float:
    """Return the number of different patterns among all units of a network.

    BatchNorm uses the statistics of the batch, dropout is off. The network is left as found.

    Raises:
        MetricError: the network has no weights or no logits, or the batch is too small.
    """
    return alone(network, batch, read, Patterns)


def read(passes: Passes) -> Reading:
    """Return the number of different patterns."""
    seen = passes.watched(Patterns)
    coverage = activation_coverage(passes, len(seen.keys), seen.layers)
    if not seen.keys or not seen.finite:
        return Reading(math.nan, coverage, "no activations" if seen.finite else "")
    return Reading(float(len(np.unique(np.concatenate(seen.keys)))), coverage)


PROXIES.register("swap")(
    Proxy(
        name="swap",
        score=swap,
        direction="max",
        passes="1 forward of the batch",
        source="Peng, Song, Kong and Wang, SWAP-NAS: sample-wise activation patterns for ultra-fast NAS, 2024",
        labelled=False,
        worst=0.0,
        read=read,
        watches=(Patterns,),
    )
)
