"""LogSynFlow: how much signal all weights pass on together, each weight counted by the logarithm of its part in it.

Norms of tokens are kept (see ``flow.py``), so a gradient can be negative, where the logarithm of
the source, log(dR/dw + 1), is not defined; log(abs(dR/dw) + 1) is, and is the same for a network
without them. A deeper chain than float64 has room for scores infinity or NaN.

Where all paths go through one kept norm (the blocks of MobileViTv2, which have no shortcut around
theirs), the weights before it add next to nothing, and the score is smaller by orders of magnitude
than with a shortcut: compare networks of one kind of block only.

Source: Cavagnero, Robbiano, Caputo and Averta, "FreeREA: training-free evolution-based architecture
search" (2023); SynFlow: Tanaka, Kunin, Yamins and Ganguli, "Pruning neural networks without any
data by iteratively conserving synaptic flow" (2020).
"""

from __future__ import annotations

from torch import nn

from mvt_nas.proxies.base import PROXIES, Batch, Proxy, ProxyReading
from mvt_nas.proxies.passes import Passes, alone, total


def log_synflow(network: nn.Module, batch: Batch) -> float:
    """Return the sum of abs(w) · log(abs(dR/dw) + 1) over the weights of convolutions and linear maps, no unit.

    R is the sum of the outputs for one image of ones, with all parameters replaced by their
    magnitudes, in float64. Of the batch only the shape (C, H, W) of an image is used. The
    magnitudes are copies and the network is left as found.

    Raises:
        MetricError: the network has no weights or no logits.
    """
    return alone(network, batch, read)


def read(passes: Passes) -> ProxyReading:
    """Return the sum of abs(w) · log(abs(dR/dw) + 1)."""
    flow = passes.flow
    parts = (
        (weight * flow.gradients[name].abs().log1p()).sum()
        for name, weight in flow.magnitudes.items()
    )
    return ProxyReading(total(parts), (flow.coverage,))


PROXIES.register("log_synflow")(
    Proxy(
        name="log_synflow",
        score=log_synflow,
        direction="max",
        passes="1 forward + 1 backward at B = 1, float64",
        source=(
            "Cavagnero, Robbiano, Caputo and Averta, FreeREA: training-free evolution-based"
            " architecture search, 2023"
        ),
        labelled=False,
        worst=0.0,
        read=read,
    )
)
