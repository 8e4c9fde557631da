"""Channel entropy: over how many directions the features of each block spread, summed over the blocks.

Source: Lee and Ham, "AZ-NAS: assembling zero-cost proxies for network architecture search" (2024),
where it is called expressivity.
"""

from __future__ import annotations

import math
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mvt_nas.errors import MetricError
from mvt_nas.proxies.base import PROXIES, Batch, Coverage, Proxy, ProxyReading
from mvt_nas.proxies.module_roles import first_tensor, primary_blocks
from mvt_nas.proxies.observers import ForwardObserver
from mvt_nas.proxies.passes import Passes, alone


class Spectra(ForwardObserver):
    """Collects the features of each primary block; their entropies are taken after the pass, where nobody else looks on.

    Attributes:
        blocks: the primary blocks.
        reached: those that ran.
    """

    def __init__(self, network: nn.Module, batch: Batch) -> None:
        super().__init__(network, batch)
        self.blocks = primary_blocks(network)
        self.reached: set[nn.Module] = set()
        self._features: list[Tensor] = []

    def hooks(self) -> list[RemovableHandle]:
        """Hook the blocks."""
        return [block.register_forward_hook(self._keep) for block in self.blocks]

    @cached_property
    def entropies(self) -> list[float]:
        """In nats, one per run of a block that gave features."""
        rows = (feature_rows(features) for features in self._features)
        return [spectral_entropy(one) for one in rows if one is not None]

    def _keep(self, block: nn.Module, _inputs: object, output: object) -> None:
        self.reached.add(block)
        features = first_tensor(output)
        if features is not None:
            # A copy: what follows may overwrite the features.
            self._features.append(features.detach().clone())


def channel_entropy(network: nn.Module, batch: Batch) -> float:
    """Return the sum over the primary blocks of the entropy of their features' principal components, in nats.

    A block adds the entropy of the eigenvalues of the channel covariance of its output, normalised
        to sum 1: 0 if all features lie
    on a line, log C if they spread evenly over the C channels. With B · H · W = rows, no block can
    add more than log(min(rows - 1, C)), so a batch with fewer rows than channels hides width. A
    block that runs twice counts twice.

    The images are used as they are: the source takes Gaussian noise, which is
        ``mvt_nas.proxies.batches.noise_batch``. BatchNorm uses the
    statistics of the batch, dropout is off. The network is left as found.

    Raises:
        MetricError: no primary block outputs tokens (B, N, C) or maps (B, C, H, W), or the network
            has no weights or no logits.
    """
    return alone(network, batch, read, Spectra)


def read(passes: Passes) -> ProxyReading:
    """Return the sum of the entropies."""
    seen = passes.watched(Spectra)
    if not seen.entropies:
        shapes = "tokens (B, N, C) or maps (B, C, H, W) are needed"
        raise MetricError(
            f"none of the {len(seen.blocks)} primary blocks of {type(passes.network).__name__} gave"
            f" features: {shapes}"
        )
    return ProxyReading(
        math.fsum(seen.entropies), (Coverage("blocks", len(seen.reached), len(seen.blocks)),)
    )


def feature_rows(output: object) -> Tensor | None:
    """Return tokens (B, N, C) or maps (B, C, H, W) as one row of C channels per position, (rows, C), or None for any other output."""
    features = first_tensor(output)
    if features is None or features.ndim not in (3, 4):
        return None
    return features.flatten(0, 1) if features.ndim == 3 else features.movedim(1, -1).flatten(0, 2)


def spectral_entropy(rows: Tensor) -> float:
    """Return the entropy in nats of the normalised eigenvalues of the covariance of the columns of (rows, C).

    Equal rows have entropy 0; a value that is not finite makes it NaN.
    """
    centred = rows.detach().to(torch.float64, copy=True)
    centred -= centred.mean(dim=0)
    # Both products have the same eigenvalues but for zeros, which add no entropy: take the smaller
    # one.
    gram = centred.T @ centred if centred.shape[1] <= centred.shape[0] else centred @ centred.T
    if not bool(gram.isfinite().all()):
        return math.nan
    variances = torch.linalg.eigvalsh(gram).clamp_min(0.0)
    total = variances.sum()
    if total == 0.0:
        return 0.0
    shares = variances / total
    return 0.0 - float(torch.xlogy(shares, shares).sum())


PROXIES.register("channel_entropy")(
    Proxy(
        name="channel_entropy",
        score=channel_entropy,
        direction="max",
        passes="1 forward of the batch",
        source=(
            "Lee and Ham, AZ-NAS: assembling zero-cost proxies for network architecture search,"
            " 2024"
        ),
        labelled=False,
        worst=0.0,
        read=read,
        watches=(Spectra,),
    )
)
