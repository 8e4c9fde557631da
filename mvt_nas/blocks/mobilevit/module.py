"""The module of the MobileViT block (see ``lowering.py`` for its kernels).

Source: arXiv 2110.02178 §3.1 (v1), 2206.02680 §3 (v2), 2209.15159 §3 (v3); written from the
descriptions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mvt_nas.blocks.layers import MODULES, conv_norm, copy
from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.blocks.mobilevit.lowering import round_up
from mvt_nas.blocks.mobilevit.transformer import (
    MultiHeadAttention,
    SeparableAttention,
    TokenNorm,
    TransformerLayer,
)


class TokenMixer(nn.Module):
    """Unfold, transformer layers, last norm, fold: from local features to global ones."""

    def __init__(self, block: MobileViT, dropout: float) -> None:
        super().__init__()
        self.patch = block.patch
        self.by_position = block.attention == "multi_head"
        positions = block.patch**2 if self.by_position else None

        def norm() -> TokenNorm:
            return TokenNorm(block.norm, block.dim, positions)

        self.layers = nn.ModuleList(
            _layer(block, (norm(), norm()), dropout) for _ in range(block.transformer_depth)
        )
        self.norm = norm()

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, d, H, W) for (B, d, H, W); the patch divides H and W."""
        height, width = x.shape[2:]
        tokens = self._unfold(x)
        for layer in self.layers:
            tokens = layer(tokens)
        return self._fold(self.norm(tokens), height // self.patch, width // self.patch)

    def _unfold(self, x: Tensor) -> Tensor:
        if self.patch > 1:
            x = functional.pixel_unshuffle(x, self.patch)  # (B, d * P, H / p, W / p)
        x = x.reshape(x.shape[0], -1, self.patch**2, x.shape[2] * x.shape[3])  # (B, d, P, N)
        return copy(x.permute(0, 2, 3, 1)).flatten(0, 1) if self.by_position else x

    def _fold(self, tokens: Tensor, rows: int, columns: int) -> Tensor:
        if self.by_position:  # (B * P, N, d)
            tokens = copy(tokens.view(-1, self.patch**2, *tokens.shape[1:]).permute(0, 3, 1, 2))
        x = tokens.reshape(tokens.shape[0], -1, rows, columns)
        return functional.pixel_shuffle(x, self.patch) if self.patch > 1 else x


def _layer(
    block: MobileViT, norms: tuple[TokenNorm, TokenNorm], dropout: float
) -> TransformerLayer:
    if block.attention == "multi_head":
        attention: nn.Module = MultiHeadAttention(block.dim, block.heads or 1)
        widen: nn.Module = nn.Linear(block.dim, block.ffn_dim)
        narrow: nn.Module = nn.Linear(block.ffn_dim, block.dim)
    else:
        attention = SeparableAttention(block.dim)
        widen = nn.Conv2d(block.dim, block.ffn_dim, 1)
        narrow = nn.Conv2d(block.ffn_dim, block.dim, 1)
    return TransformerLayer(attention, norms, widen, narrow, dropout)


@MODULES.register("mobilevit")
class MobileViTBlock(nn.Module):
    """Local convolutions, transformer over patches, projection, fusion and residual.

    Args:
        width: Channels C of input and output.
        block: Configuration of the block.
        dropout: Probability after attention and in the feed-forward network, in training.
    """

    def __init__(self, width: int, block: MobileViT, dropout: float = 0.0) -> None:
        super().__init__()
        self.block = block
        groups = width if block.local_conv == "depthwise" else 1
        self.local_conv = conv_norm(width, width, block.local_kernel, groups=groups)
        self.local_project = nn.Conv2d(width, block.dim, 1, bias=False)
        self.tokens = TokenMixer(block, dropout)
        projects = block.projection != "none"
        self.project = (
            conv_norm(block.dim, width, activation=block.projection) if projects else nn.Identity()
        )
        if block.fusion != "none":
            others = width if block.fusion == "input" else block.dim
            channels = others + (width if projects else block.dim)
            self.fuse = conv_norm(
                channels, width, block.fusion_kernel or 1, activation=str(block.fusion_activation)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H', W') for (B, C, H, W).

        H' is larger than H only for ``resize: input`` where the patch does not divide H.
        """
        if self.block.resize == "input":
            x = self._resize(x, self._grown(x))
        local = self.local_project(self.local_conv(x))  # (B, d, H, W)
        y: Tensor = self.project(self._global(local))
        if self.block.fusion != "none":
            parts = (x if self.block.fusion == "input" else local, y)
            if self.block.concat_order == "global_first":
                parts = parts[::-1]
            y = self.fuse(torch.cat(parts, dim=1))
        return x + y if self.block.residual else y

    def dilate(self, dilation: int) -> None:
        """Dilate the local convolution, to keep its receptive field where strides were removed.

        Source: the releases of MobileViT and MobileViTv2, of which only the second does so.
        """
        if self.block.attention == "separable":
            convolution = self.local_conv[0]
            assert isinstance(convolution, nn.Conv2d)
            convolution.dilation = (dilation, dilation)
            convolution.padding = ((self.block.local_kernel - 1) // 2 * dilation,) * 2

    def _global(self, local: Tensor) -> Tensor:
        """Return the features of the transformer, resized to and fro where patches do not fit."""
        grown = self._grown(local)
        side = (local.shape[2], local.shape[3])
        return self._resize(self.tokens(self._resize(local, grown)), side)

    def _grown(self, x: Tensor) -> tuple[int, int]:
        return round_up(x.shape[2], self.block.patch), round_up(x.shape[3], self.block.patch)

    def _resize(self, x: Tensor, side: tuple[int, int]) -> Tensor:
        if (x.shape[2], x.shape[3]) == side:
            return x
        return functional.interpolate(
            x, size=side, mode="bilinear", align_corners=self.block.align_corners
        )
