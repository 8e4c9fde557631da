from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cvnets.layers import ConvLayer2d, get_normalization_layer
from cvnets.modules.base_module import BaseModule
from cvnets.modules.transformer import LinearAttnFFN, TransformerEncoder


def grown(side: int, patch: int) -> int:
    return -(-side // patch) * patch


class MobileViTBlock(BaseModule):
    def __init__(
        self,
        opts: Any,
        in_channels: int,
        transformer_dim: int,
        ffn_dim: int,
        n_transformer_blocks: int = 2,
        head_dim: int = 32,
        attn_dropout: float = 0.0,
        dropout: float = 0.0,
        ffn_dropout: float = 0.0,
        patch_h: int = 8,
        patch_w: int = 8,
        transformer_norm_layer: str = "layer_norm",
        conv_ksize: int = 3,
        dilation: int = 1,
        no_fusion: bool = False,
    ) -> None:
        super().__init__()
        self.local_rep = nn.Sequential()
        self.local_rep.add_module(
            "conv_3x3", ConvLayer2d(opts, in_channels, in_channels, conv_ksize, dilation=dilation)
        )
        self.local_rep.add_module(
            "conv_1x1",
            ConvLayer2d(opts, in_channels, transformer_dim, 1, use_norm=False, use_act=False),
        )
        assert transformer_dim % head_dim == 0
        layers: list[nn.Module] = [
            TransformerEncoder(
                opts,
                embed_dim=transformer_dim,
                ffn_latent_dim=ffn_dim,
                num_heads=transformer_dim // head_dim,
                attn_dropout=attn_dropout,
                dropout=dropout,
                ffn_dropout=ffn_dropout,
                transformer_norm_layer=transformer_norm_layer,
            )
            for _ in range(n_transformer_blocks)
        ]
        self.global_rep = nn.Sequential(
            *layers, get_normalization_layer(opts, transformer_dim, transformer_norm_layer)
        )
        self.conv_proj = ConvLayer2d(opts, transformer_dim, in_channels, 1)
        self.fusion = (
            None if no_fusion else ConvLayer2d(opts, 2 * in_channels, in_channels, conv_ksize)
        )
        self.patch_h, self.patch_w = patch_h, patch_w

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        local = self.local_rep(x)
        size = tuple(local.shape[2:])
        wanted = grown(size[0], self.patch_h), grown(size[1], self.patch_w)
        if size != wanted:
            local = functional.interpolate(local, size=wanted, mode="bilinear", align_corners=False)
        batch, dim = local.shape[:2]
        area, rows, columns = (
            self.patch_h * self.patch_w,
            wanted[0] // self.patch_h,
            wanted[1] // self.patch_w,
        )
        tokens = local.view(batch, dim, rows, self.patch_h, columns, self.patch_w).permute(
            0, 3, 5, 2, 4, 1
        )
        tokens = tokens.reshape(batch * area, rows * columns, dim)
        for layer in self.global_rep:
            tokens = layer(tokens)
        tokens = tokens.view(batch, self.patch_h, self.patch_w, rows, columns, dim).permute(
            0, 5, 3, 1, 4, 2
        )
        y = tokens.reshape(batch, dim, *wanted)
        if size != wanted:
            y = functional.interpolate(y, size=size, mode="bilinear", align_corners=False)
        y = self.conv_proj(y)
        return y if self.fusion is None else self.fusion(torch.cat((x, y), dim=1))


class MobileViTBlockv2(BaseModule):
    def __init__(
        self,
        opts: Any,
        in_channels: int,
        attn_unit_dim: int,
        ffn_multiplier: float = 2.0,
        n_attn_blocks: int = 2,
        attn_dropout: float = 0.0,
        dropout: float = 0.0,
        ffn_dropout: float = 0.0,
        patch_h: int = 8,
        patch_w: int = 8,
        conv_ksize: int = 3,
        dilation: int = 1,
        attn_norm_layer: str = "layer_norm_2d",
    ) -> None:
        super().__init__()
        self.local_rep = nn.Sequential(
            ConvLayer2d(
                opts, in_channels, in_channels, conv_ksize, dilation=dilation, groups=in_channels
            ),
            ConvLayer2d(opts, in_channels, attn_unit_dim, 1, use_norm=False, use_act=False),
        )
        layers: list[nn.Module] = [
            LinearAttnFFN(
                opts,
                embed_dim=attn_unit_dim,
                ffn_latent_dim=int((ffn_multiplier * attn_unit_dim // 16) * 16),
                attn_dropout=attn_dropout,
                dropout=dropout,
                ffn_dropout=ffn_dropout,
                norm_layer=attn_norm_layer,
            )
            for _ in range(n_attn_blocks)
        ]
        self.global_rep = nn.Sequential(
            *layers, get_normalization_layer(opts, attn_unit_dim, attn_norm_layer)
        )
        self.conv_proj = ConvLayer2d(opts, attn_unit_dim, in_channels, 1, use_act=False)
        self.patch_h, self.patch_w = patch_h, patch_w

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        patch = (self.patch_h, self.patch_w)
        wanted = grown(x.shape[2], self.patch_h), grown(x.shape[3], self.patch_w)
        if tuple(x.shape[2:]) != wanted:
            x = functional.interpolate(x, size=wanted, mode="bilinear", align_corners=True)
        local = self.local_rep(x)
        tokens = functional.unfold(local, kernel_size=patch, stride=patch).reshape(
            *local.shape[:2], self.patch_h * self.patch_w, -1
        )
        tokens = self.global_rep(tokens)
        y = functional.fold(
            tokens.flatten(1, 2), output_size=wanted, kernel_size=patch, stride=patch
        )
        out: Tensor = self.conv_proj(y)
        return out
