"""LogSynFlow: signal passed on by all weights, with the logarithm of each weight's gradient.

Norms of tokens are kept (see ``flow.py``), so a gradient can be negative, where the logarithm of
the source, log(dR/dw + 1), is not defined. log(abs(dR/dw) + 1) is defined, and is the same for a
network without such norms. A chain too deep for the range of float64 scores infinity or NaN.

Where all paths go through one kept norm (the blocks of MobileViTv2, which have no shortcut around
theirs), the weights before it add almost nothing, and the score is smaller by orders of magnitude
than with a shortcut: compare networks of one kind of block only.

Source: Cavagnero, Robbiano, Caputo and Averta, "FreeREA: training-free evolution-based architecture
search" (2023); SynFlow: Tanaka, Kunin, Yamins and Ganguli, "Pruning neural networks without any
data by iteratively conserving synaptic flow" (2020).
"""

from __future__ import annotations

from mvt_nas.proxies.base import proxy
from mvt_nas.proxies.passes import Passes, total
from mvt_nas.proxies.types import ProxyReading


@proxy(
    direction="max",
    passes="1 forward + 1 backward at B = 1, float64",
    source=(
        "Cavagnero, Robbiano, Caputo and Averta, FreeREA: training-free evolution-based"
        " architecture search, 2023"
    ),
    labelled=False,
    worst=0.0,
)
def log_synflow(passes: Passes) -> ProxyReading:
    """Return the sum of abs(w) · log(abs(dR/dw) + 1), no unit.

    The sum is over the weights of convolutions and linear layers. R is the sum of the outputs for
    one image of ones, with all parameters replaced by their magnitudes, in float64. Only the shape
    (C, H, W) of the images is used.

    Raises:
        MetricError: the network has no weights or no logits.
    """
    flow = passes.flow
    parts = (
        (weight * flow.gradients[name].abs().log1p()).sum()
        for name, weight in flow.magnitudes.items()
    )
    return ProxyReading(total(parts), (flow.coverage,))
