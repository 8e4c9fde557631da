"""Trainability: whether gradients keep their scale on the way back through each block.

Random signs G are sent back through a block and come out as G'. With n rows, the largest singular
value σ of G'ᵀG / n is that of the block's Jacobian, but for the sampling: for an identity it is (1
+ sqrt(C / n)) ** 2 and not 1, the edge of the Marchenko–Pastur law, which makes the published score
one against width. Here σ is divided by that edge.

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

from mvt_nas.proxies.base import PROXIES, Batch, Coverage, Proxy, ProxyReading
from mvt_nas.proxies.channel_entropy import feature_rows
from mvt_nas.proxies.module_roles import first_tensor, primary_blocks
from mvt_nas.proxies.observers import ForwardObserver, ForwardPass
from mvt_nas.proxies.passes import Passes, alone

_SMALLEST = 1e-6


class BlockBoundaries(ForwardObserver):
    """Keeps what goes into each primary block and what comes out, and sends signs back from there.

    Attributes:
        blocks: the primary blocks.
        reached: those that ran.
        gains: of each run of a block from features to features, after the pass; ``None`` where the
            shapes do not go together.
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
        """Send random signs back through each block."""
        signs = random_signs(max((last.numel() for _, last in self._pairs), default=0))
        self.gains = [gain(first, last, signs) for first, last in self._pairs]
        self._pairs.clear()

    def _enter(self, _block: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        first = inputs[0] if inputs else None
        if not isinstance(first, Tensor):
            self._inputs.append(None)
            return None
        self._inputs.append(first)
        # A block may overwrite what it is given: that must not be the tensor that is kept.
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


def trainability(network: nn.Module, batch: Batch) -> float:
    """Return the mean over the primary blocks of 2 - σ - 1 / (σ + 1e-6), no unit: 0 for blocks that keep scales, else negative.

    BatchNorm uses the statistics of the batch, dropout is off. The signs are the same for every
    network. The network is left as found.

    Raises:
        MetricError: the network has no primary blocks, no weights or no logits.
    """
    return alone(network, batch, read, BlockBoundaries)


def read(passes: Passes) -> ProxyReading:
    """Return the mean over the blocks."""
    seen = passes.watched(BlockBoundaries)
    known = [one for one in seen.gains if one is not None]
    coverage = (
        Coverage("blocks", len(seen.reached), len(seen.blocks)),
        Coverage("blocks from features to features", len(known), len(seen.gains)),
    )
    if not known:
        return ProxyReading(math.nan, coverage, "no block from features to features")
    return ProxyReading(
        math.fsum(2.0 - one - 1.0 / (one + _SMALLEST) for one in known) / len(known), coverage
    )


def gain(first: Tensor, last: Tensor, drawn: Tensor) -> float | None:
    """Return the largest singular value of a block's Jacobian, without the part that sampling adds; ``None`` if shapes do not allow it.

    Args:
        first: the block's input, tokens (B, N, C) or maps (B, C, H, W).
        last: its output.
        drawn: random signs, as many as the output has values or more.
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
    # Of a matrix, the largest singular value is the root of the largest eigenvalue of the smaller
    # product with itself.
    square = product @ product.T if product.shape[0] <= product.shape[1] else product.T @ product
    largest = math.sqrt(max(float(torch.linalg.eigvalsh(square)[-1]), 0.0))
    return largest / (1.0 + math.sqrt(out.shape[1] / len(out))) ** 2


def random_signs(values: int) -> Tensor:
    """Return so many values of 1 and -1, always the same."""
    return (
        torch.randint(2, (values,), generator=torch.Generator().manual_seed(0))
        .float()
        .mul_(2.0)
        .sub_(1.0)
    )


def _matched(back: Tensor, last: Tensor) -> Tensor:
    """Return gradients (B, C, H, W) at the positions of an output: those that one of its pixels takes in become channels of it."""
    if back.ndim != 4 or last.ndim != 4 or back.shape[2:] == last.shape[2:]:
        return back
    stride = max(round(back.shape[2] / last.shape[2]), 1)
    height, width = last.shape[2] * stride, last.shape[3] * stride
    if (height, width) != tuple(back.shape[2:]):
        back = functional.interpolate(back, size=(height, width), mode="nearest")
    return functional.pixel_unshuffle(back, stride)


PROXIES.register("trainability")(
    Proxy(
        name="trainability",
        score=trainability,
        direction="max",
        passes="1 forward of the batch + 1 backward through each block",
        source=(
            "Lee and Ham, AZ-NAS: assembling zero-cost proxies for network architecture search,"
            " 2024"
        ),
        labelled=False,
        worst=-1e6,
        read=read,
        watches=(BlockBoundaries,),
    )
)
