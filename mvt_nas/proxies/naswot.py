"""NASWOT: how well the signs of the activations' inputs distinguish the images of a batch.

The source covers ReLU only, where the signs identify a linear region. The inputs of SiLU and GELU
have signs as well, but no linear regions. The score adds log(units) for every image, so it contains
the logarithm of the width.

Source: Mellor, Turner, Storkey and Crowley, "Neural architecture search without training" (2021).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mvt_nas.proxies.base import proxy
from mvt_nas.proxies.observers import ForwardObserver, ForwardPass, by_image
from mvt_nas.proxies.passes import Passes, activation_coverage
from mvt_nas.proxies.types import Batch, ProxyReading


class PatternAgreement(ForwardObserver):
    """Counts, over all activations, the units in which each two images agree.

    Attributes:
        both: Number of units that are on for both images, (B, B), in float64; its diagonal counts
            the units that are on for one image.
        units: Number of units per image.
        layers: Number of activations seen.
        counted: Number of activations whose first axis is the images.
    """

    sees_activations = True

    def __init__(self, network: nn.Module, batch: Batch) -> None:
        super().__init__(network, batch)
        self.both = torch.zeros(self.images, self.images, dtype=torch.float64)
        self.units = self.layers = self.counted = 0

    def before_activation(self, values: Tensor) -> None:
        """Add one activation."""
        self.layers += 1
        rows = by_image(values, self.images)
        if rows is None:
            return
        self.counted += 1
        self.units += rows.shape[1]
        # The products are integers, which float32 holds exactly below 2 ** 24 units.
        on = torch.gt(rows, 0.0, out=torch.empty_like(rows))
        self.both += (on @ on.T).double().cpu()

    def finish(self, run: ForwardPass) -> None:
        """Discard the counts if the logits are not finite."""
        if not bool(run.logits.isfinite().all()):
            self.both.fill_(math.nan)

    def kernel(self) -> Tensor:
        """Return the share of the units in which each two images agree, (B, B)."""
        on = self.both.diagonal()
        # Units that agree are on for both, or off for both: all but those on for one or the other,
        # units - on_i - on_j + both.
        return (self.units - on - on[:, None] + 2.0 * self.both) / self.units


@proxy(
    direction="max",
    passes="1 forward of the batch",
    source=(
        "Mellor, Turner, Storkey and Crowley, Neural architecture search without training, 2021"
    ),
    labelled=False,
    worst=0.0,
    observers=(PatternAgreement,),
)
def naswot(passes: Passes) -> ProxyReading:
    """Return log det K in nats.

    K (B, B) counts for each two images the units whose inputs have the same sign. The score is
    minus infinity if two images agree everywhere; otherwise it is never negative, since K holds
    integers. BatchNorm uses the statistics of the batch, and dropout is off.

    Raises:
        MetricError: the network has no weights or no logits, or the batch is too small.
    """
    seen = passes.observer(PatternAgreement)
    coverage = activation_coverage(passes, seen.counted, seen.layers)
    if not seen.units:
        return ProxyReading(math.nan, coverage, "no activations")
    value = log_determinant(seen.kernel(), seen.units)
    return ProxyReading(
        value, coverage, "two images have the same code" if value == -math.inf else ""
    )


def log_determinant(kernel: Tensor, units: int) -> float:
    """Return log det of ``units`` times the kernel of shares; minus infinity if it is singular."""
    if not bool(kernel.isfinite().all()):
        return math.nan
    twins = (kernel.triu(diagonal=1) == 1.0).any()
    sign, logarithm = torch.linalg.slogdet(kernel)
    value = float(logarithm) + len(kernel) * math.log(units)
    # The determinant of an integer matrix is an integer: a value below 1 is a rounding error.
    singular = bool(twins) or float(sign) <= 0.0 or value < -1e-6
    return -math.inf if singular else value
