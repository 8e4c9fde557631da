"""Multiply-adds: the other count that training-free scores have to beat."""

from __future__ import annotations

from torch import nn

from mvt_nas.proxies.base import PROXIES, Batch, Proxy, ProxyReading
from mvt_nas.proxies.counts import count_macs
from mvt_nas.proxies.passes import Passes, alone


def macs(network: nn.Module, batch: Batch) -> float:
    """Return the multiply-adds of convolutions, linear maps and matrix products for one image of the batch.

    They are exact for networks of this package; those of others are counted by torch.

    Raises:
        MetricError: the network has no weights or no logits.
    """
    return alone(network, batch, read)


def read(passes: Passes) -> ProxyReading:
    """Return the multiply-adds."""
    return ProxyReading(float(count_macs(passes.network, passes.batch.images)))


PROXIES.register("macs")(
    Proxy(
        name="macs",
        score=macs,
        direction="max",
        passes="none (1 forward at B = 1 on shapes alone for networks of others)",
        source=(
            "a count; a baseline in White et al., A deeper look at zero-cost proxies for"
            " lightweight NAS, 2022"
        ),
        labelled=False,
        worst=0.0,
        read=read,
    )
)
