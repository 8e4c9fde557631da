"""Parameters: the count that training-free scores have to beat."""

from __future__ import annotations

from torch import nn

from mvt_nas.proxies.base import PROXIES, Batch, Proxy, ProxyReading
from mvt_nas.proxies.counts import count_params
from mvt_nas.proxies.passes import Passes, alone


def params(network: nn.Module, batch: Batch) -> float:
    """Return the number of parameters.

    Raises:
        MetricError: the network has no weights.
    """
    return alone(network, batch, read)


def read(passes: Passes) -> ProxyReading:
    """Return the number of parameters."""
    return ProxyReading(float(count_params(passes.network)))


PROXIES.register("params")(
    Proxy(
        name="params",
        score=params,
        direction="max",
        passes="none",
        source=(
            "a count; a baseline in Abdelfattah et al., Zero-cost proxies for lightweight NAS, 2021"
        ),
        labelled=False,
        worst=0.0,
        read=read,
    )
)
