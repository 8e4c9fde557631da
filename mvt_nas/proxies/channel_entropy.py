"""Channel entropy: spread of each block's features over directions, summed over the blocks.

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
from mvt_nas.proxies.base import proxy
from mvt_nas.proxies.module_roles import first_tensor, primary_blocks
from mvt_nas.proxies.observers import ForwardObserver
from mvt_nas.proxies.passes import Passes
from mvt_nas.proxies.types import Batch, Coverage, ProxyReading


class Spectra(ForwardObserver):
    """Collects the features of each primary block.

    Their entropies are computed after the pass, outside of the dispatcher modes of other observers.

    Attributes:
        blocks: The primary blocks.
        reached: The blocks that ran.
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
        """Entropies in nats, one per run of a block that gave features."""
        rows = (feature_rows(features) for features in self._features)
        return [spectral_entropy(matrix) for matrix in rows if matrix is not None]

    def _keep(self, block: nn.Module, _inputs: object, output: object) -> None:
        self.reached.add(block)
        features = first_tensor(output)
        if features is not None:
            # A copy, as later layers may overwrite the features in place.
            self._features.append(features.detach().clone())


@proxy(
    direction="max",
    passes="1 forward of the batch",
    source=(
        "Lee and Ham, AZ-NAS: assembling zero-cost proxies for network architecture search, 2024"
    ),
    labelled=False,
    worst=0.0,
    observers=(Spectra,),
)
def channel_entropy(passes: Passes) -> ProxyReading:
    """Return the sum of the entropies of the blocks' principal components, in nats.

    A block adds the entropy of the eigenvalues of the channel covariance of its output, normalised
    to sum 1: 0 if all features are on a line, log C if they spread evenly over the C channels. With
    B · H · W = rows, no block can add more than log(min(rows - 1, C)), so a batch with fewer rows
    than channels hides width. A block that runs twice counts twice.

    The images are used unchanged; the source takes Gaussian noise, which is
    ``mvt_nas.proxies.batches.noise_batch``. BatchNorm uses the statistics of the batch, and dropout
    is off.

    Raises:
        MetricError: no primary block outputs tokens (B, N, C) or maps (B, C, H, W), or the network
            has no weights or no logits.
    """
    seen = passes.observer(Spectra)
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
    """Return tokens (B, N, C) or maps (B, C, H, W) as one row of C channels per position.

    The result is (rows, C); any other output gives ``None``.
    """
    features = first_tensor(output)
    if features is None or features.ndim not in (3, 4):
        return None
    return features.flatten(0, 1) if features.ndim == 3 else features.movedim(1, -1).flatten(0, 2)


def spectral_entropy(rows: Tensor) -> float:
    """Return the entropy of the normalised eigenvalues of the covariance of (rows, C), in nats.

    Equal rows have entropy 0; a value that is not finite makes it NaN.
    """
    centred = rows.detach().to(torch.float64, copy=True)
    centred -= centred.mean(dim=0)
    # Both products have the same eigenvalues except for zeros, which add no entropy: take the
    # smaller matrix.
    gram = centred.T @ centred if centred.shape[1] <= centred.shape[0] else centred @ centred.T
    if not bool(gram.isfinite().all()):
        return math.nan
    variances = torch.linalg.eigvalsh(gram).clamp_min(0.0)
    total = variances.sum()
    if total == 0.0:
        return 0.0
    shares = variances / total
    # Subtracted from 0, so that an entropy of zero is 0.0 and not -0.0.
    return 0.0 - float(torch.xlogy(shares, shares).sum())
