"""Depth: the number of layers with weights, which at equal size is more than most training-free scores know."""

from __future__ import annotations

from torch import nn

from mvt_nas.proxies.base import PROXIES, Batch, Proxy, ProxyReading
from mvt_nas.proxies.counts import count_layers
from mvt_nas.proxies.passes import Passes, alone


def depth(network: nn.Module, batch: Batch) -> float:
    """Return the number of weight tensors of convolutions and linear maps.

    Raises:
        MetricError: the network has no weights.
    """
    return alone(network, batch, read)


def read(passes: Passes) -> ProxyReading:
    """Return the number of weight tensors."""
    return ProxyReading(float(count_layers(passes.network)))


PROXIES.register("depth")(
    Proxy(
        name="depth",
        score=depth,
        direction="max",
        passes="none",
        source=(
            "a count; a baseline in Tybl and Neumann, Training-free NAS through variance of"
            " knowledge of deep network weights, 2025"
        ),
        labelled=False,
        worst=0.0,
        read=read,
    )
)
