"""Trainability: how well gradients keep their scale on the way back through each block.

Random signs G are propagated back through a block and give G'. With n rows, the largest singular
value σ of G'ᵀG / n is that of the block's Jacobian, except for the effect of sampling: for an
identity it is (1 + sqrt(C / n)) ** 2 and not 1, the edge of the Marchenko–Pastur law, so that the
published score penalises width. Here σ is divided by that edge.

Source: Lee and Ham, "AZ-NAS: assembling zero-cost proxies for network architecture search" (2024);
the edge: Marchenko and Pastur, "Distribution of eigenvalues for some sets of random matrices"
(1967).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from mvt_nas.proxies.base import proxy
from mvt_nas.proxies.channel_entropy import feature_rows
from mvt_nas.proxies.module_roles import first_tensor, primary_blocks
from mvt_nas.proxies.observers import ForwardObserver, ForwardPass
from mvt_nas.proxies.passes import Passes
from mvt_nas.proxies.types import Batch, Coverage, ProxyReading

_SMALLEST = 1e-6


class BlockBoundaries(ForwardObserver):
    """Keeps the input and output of each primary block, and propagates signs back between them.

    Attributes:
        blocks: The primary blocks.
        reached: The blocks that ran.
        gains: Gain of each run of a block from features to features, available after the pass;
            ``None`` where the shapes do not match.
    """

    def __init__(self, network: nn.Module, batch: Batch) -> None:
        super().__init__(network, batch)
        self.blocks = primary_blocks(network)
        self.reached: set[nn.Module] = set()
        self.gains: list[float | None] = []
        self._pairs: list[tuple[Tensor, Tensor]] = []
        self._inputs: list[Tensor | None] = []

    def hooks(self) -> list[RemovableHandle]:
        """Hook the blocks."""
        before = [block.register_forward_pre_hook(self._enter) for block in self.blocks]
        return before + [block.register_forward_hook(self._leave) for block in self.blocks]

    def finish(self, run: ForwardPass) -> None:
        """Propagate random signs back through each block."""
        signs = random_signs(max((last.numel() for _, last in self._pairs), default=0))
        self.gains = [gain(first, last, signs) for first, last in self._pairs]
        self._pairs.clear()

    def _enter(self, _block: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        first = inputs[0] if inputs else None
        if not isinstance(first, Tensor):
            self._inputs.append(None)
            return None
        self._inputs.append(first)
        # A block may overwrite its input in place: that must not be the tensor that is kept.
        return (first.clone(), *inputs[1:])

    def _leave(self, block: nn.Module, _inputs: object, output: Any) -> object:
        self.reached.add(block)
        first, last = self._inputs.pop(), first_tensor(output)
        if first is None or last is None or last.ndim not in (3, 4) or first.ndim not in (3, 4):
            return None
        self._pairs.append((first, last))
        if isinstance(output, Tensor):
            return output.clone()
        return type(output)([last.clone(), *output[1:]]) if type(output) in (tuple, list) else None


@proxy(
    direction="max",
    passes="1 forward of the batch + 1 backward through each block",
    source=(
        "Lee and Ham, AZ-NAS: assembling zero-cost proxies for network architecture search, 2024"
    ),
    labelled=False,
    worst=-1e6,
    observers=(BlockBoundaries,),
)
def trainability(passes: Passes) -> ProxyReading:
    """Return the mean over the primary blocks of 2 - σ - 1 / (σ + 1e-6), no unit.

    It is 0 for blocks that keep the scale of gradients, and negative for others. BatchNorm uses the
    statistics of the batch, and dropout is off. The signs are the same for every network.

    Raises:
        MetricError: the network has no primary blocks, no weights or no logits.
    """
    seen = passes.observer(BlockBoundaries)
    known = [sigma for sigma in seen.gains if sigma is not None]
    coverage = (
        Coverage("blocks", len(seen.reached), len(seen.blocks)),
        Coverage("blocks from features to features", len(known), len(seen.gains)),
    )
    if not known:
        return ProxyReading(math.nan, coverage, "no block from features to features")
    return ProxyReading(
        math.fsum(2.0 - sigma - 1.0 / (sigma + _SMALLEST) for sigma in known) / len(known), coverage
    )


def gain(first: Tensor, last: Tensor, drawn: Tensor) -> float | None:
    """Return the largest singular value of a block's Jacobian, without the effect of sampling.

    The result is ``None`` if the shapes of input and output do not match.

    Args:
        first: Input of the block, tokens (B, N, C) or maps (B, C, H, W).
        last: Output of the block.
        drawn: Random signs, at least as many as the output has values.
    """
    signs = drawn[: last.numel()].view(last.shape).to(last)
    (back,) = torch.autograd.grad(last, first, signs, retain_graph=True, allow_unused=True)
    if back is None:
        return 0.0
    out, into = feature_rows(signs), feature_rows(_matched(back, last))
    if out is None or into is None or len(out) != len(into):
        return None
    product = into.T @ out / len(out)
    if not bool(product.isfinite().all()):
        return math.nan
    # The largest singular value is the root of the largest eigenvalue of the matrix times its
    # transpose; of the two products, the smaller one is cheaper.
    square = product @ product.T if product.shape[0] <= product.shape[1] else product.T @ product
    largest = math.sqrt(max(float(torch.linalg.eigvalsh(square)[-1]), 0.0))
    return largest / (1.0 + math.sqrt(out.shape[1] / len(out))) ** 2


def random_signs(values: int) -> Tensor:
    """Return a number of values of 1 and -1, always the same."""
    return (
        torch.randint(2, (values,), generator=torch.Generator().manual_seed(0))
        .float()
        .mul_(2.0)
        .sub_(1.0)
    )


def _matched(back: Tensor, last: Tensor) -> Tensor:
    """Return gradients (B, C, H, W) at the positions of a smaller output.

    The input pixels that one output pixel covers become channels of it.
    """
    if back.ndim != 4 or last.ndim != 4 or back.shape[2:] == last.shape[2:]:
        return back
    stride = max(round(back.shape[2] / last.shape[2]), 1)
    height, width = last.shape[2] * stride, last.shape[3] * stride
    if (height, width) != tuple(back.shape[2:]):
        back = functional.interpolate(back, size=(height, width), mode="nearest")
    return functional.pixel_unshuffle(back, stride)
