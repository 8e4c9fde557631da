from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from cvnets.layers import (
    ConvLayer2d,
    Dropout,
    LinearLayer,
    LinearSelfAttention,
    MultiHeadAttention,
    SingleHeadAttention,
    build_activation_layer,
    get_normalization_layer,
)
from cvnets.modules.base_module import BaseModule


class TransformerEncoder(BaseModule):
    def __init__(
        self,
        opts: Any,
        embed_dim: int,
        ffn_latent_dim: int,
        num_heads: int = 8,
        attn_dropout: float = 0.0,
        dropout: float = 0.0,
        ffn_dropout: float = 0.0,
        transformer_norm_layer: str = "layer_norm",
        stochastic_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        one = num_heads == 1
        attention = (
            SingleHeadAttention(embed_dim, attn_dropout)
            if one
            else MultiHeadAttention(embed_dim, num_heads, attn_dropout)
        )
        self.pre_norm_mha = nn.Sequential(
            get_normalization_layer(opts, embed_dim, transformer_norm_layer),
            attention,
            Dropout(dropout),
        )
        self.pre_norm_ffn = nn.Sequential(
            get_normalization_layer(opts, embed_dim, transformer_norm_layer),
            LinearLayer(embed_dim, ffn_latent_dim),
            build_activation_layer(opts, num_parameters=1),
            Dropout(ffn_dropout),
            LinearLayer(ffn_latent_dim, embed_dim),
            Dropout(dropout),
        )

    def forward(self, x: Tensor, x_prev: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
        y = self.pre_norm_mha[1](x_q=self.pre_norm_mha[0](x), x_kv=x_prev)
        x = self.pre_norm_mha[2](y) + x
        out: Tensor = x + self.pre_norm_ffn(x)
        return out


class LinearAttnFFN(BaseModule):
    def __init__(
        self,
        opts: Any,
        embed_dim: int,
        ffn_latent_dim: int,
        attn_dropout: float = 0.0,
        dropout: float = 0.1,
        ffn_dropout: float = 0.0,
        norm_layer: str = "layer_norm_2d",
    ) -> None:
        super().__init__()
        plain = {"kernel_size": 1, "bias": True, "use_norm": False}
        self.pre_norm_attn = nn.Sequential(
            get_normalization_layer(opts, embed_dim, norm_layer),
            LinearSelfAttention(opts, embed_dim, attn_dropout),
            Dropout(dropout),
        )
        self.pre_norm_ffn = nn.Sequential(
            get_normalization_layer(opts, embed_dim, norm_layer),
            ConvLayer2d(opts, embed_dim, ffn_latent_dim, use_act=True, **plain),
            Dropout(ffn_dropout),
            ConvLayer2d(opts, ffn_latent_dim, embed_dim, use_act=False, **plain),
            Dropout(dropout),
        )

    def forward(self, x: Tensor, x_prev: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
        assert x_prev is None
        x = x + self.pre_norm_attn(x)
        out: Tensor = x + self.pre_norm_ffn(x)
        return out
