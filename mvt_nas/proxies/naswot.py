"""NASWOT: how well the activations tell the images of a batch apart, by which of their inputs are positive.

The source knows ReLU only, whose input's sign is that of a linear region. The inputs of SiLU and
GELU have signs as well, but there are no linear regions then. The score adds log(units) for every
image, so it contains the logarithm of the width.

Source: Mellor, Turner, Storkey and Crowley, "Neural architecture search without training" (2021).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mvt_nas.proxies.base import PROXIES, Batch, Proxy, ProxyReading
from mvt_nas.proxies.observers import ForwardObserver, ForwardPass, by_image
from mvt_nas.proxies.passes import Passes, activation_coverage, alone


class PatternAgreement(ForwardObserver):
    """Adds up, over all activations, in how many units each two images agree.

    Attributes:
        both: the number of units that are on for both, (B, B), in float64; those of one image are
            on its diagonal.
        units: per image.
        layers: activations seen.
        counted: of these, those that go by images.
    """

    sees_activations = True

    def __init__(self, network: nn.Module, batch: Batch) -> None:
        super().__init__(network, batch)
        self.both = torch.zeros(self.images, self.images, dtype=torch.float64)
        self.units = self.layers = self.counted = 0

    def before_activation(self, values: Tensor) -> None:
        """Add one activation; the products are whole numbers, which float32 holds exactly below 2 ** 24 units."""
        self.layers += 1
        rows = by_image(values, self.images)
        if rows is None:
            return
        self.counted += 1
        self.units += rows.shape[1]
        on = torch.gt(rows, 0.0, out=torch.empty_like(rows))
        self.both += (on @ on.T).double().cpu()

    def finish(self, run: ForwardPass) -> None:
        """Forget all if the pass did not give numbers."""
        if not bool(run.logits.isfinite().all()):
            self.both.fill_(math.nan)

    def kernel(self) -> Tensor:
        """Return for each two images the share of the units in which they agree, (B, B)."""
        on = self.both.diagonal()
        # Those that are off for both are all but those on for one or the other.
        return (self.units - on - on[:, None] + 2.0 * self.both) / self.units


def naswot(network: nn.Module, batch: Batch) -> float:
    """Return log det K in nats, K counting for each two images the units whose inputs have the same sign, (B, B).

    Minus infinity where two images agree everywhere. It is never negative otherwise: K holds whole
        numbers. BatchNorm uses the
    statistics of the batch, dropout is off. The network is left as found.

    Raises:
        MetricError: the network has no weights or no logits, or the batch is too small.
    """
    return alone(network, batch, read, PatternAgreement)


def read(passes: Passes) -> ProxyReading:
    """Return log det K."""
    seen = passes.watched(PatternAgreement)
    coverage = activation_coverage(passes, seen.counted, seen.layers)
    if not seen.units:
        return ProxyReading(math.nan, coverage, "no activations")
    value = log_determinant(seen.kernel(), seen.units)
    return ProxyReading(
        value, coverage, "two images have the same code" if value == -math.inf else ""
    )


def log_determinant(kernel: Tensor, units: int) -> float:
    """Return log det of ``units`` times the kernel of shares; minus infinity where it is singular."""
    if not bool(kernel.isfinite().all()):
        return math.nan
    twins = (kernel.triu(diagonal=1) == 1.0).any()
    sign, logarithm = torch.linalg.slogdet(kernel)
    value = float(logarithm) + len(kernel) * math.log(units)
    # Of whole numbers the determinant is whole: what is below 1 is rounding around zero.
    singular = bool(twins) or float(sign) <= 0.0 or value < -1e-6
    return -math.inf if singular else value


PROXIES.register("naswot")(
    Proxy(
        name="naswot",
        score=naswot,
        direction="max",
        passes="1 forward of the batch",
        source=(
            "Mellor, Turner, Storkey and Crowley, Neural architecture search without training, 2021"
        ),
        labelled=False,
        worst=0.0,
        read=read,
        watches=(PatternAgreement,),
    )
)
