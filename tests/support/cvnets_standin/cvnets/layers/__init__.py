from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cvnets.layers.normalization import get_normalization_layer

__all__ = [
    "ConvLayer2d",
    "Dropout",
    "GlobalPool",
    "Identity",
    "LinearLayer",
    "get_normalization_layer",
]


class Identity(nn.Identity):
    pass


class Dropout(nn.Dropout):
    def __init__(self, p: float = 0.5, inplace: bool = False, *args: Any, **kwargs: Any) -> None:
        super().__init__(p=p, inplace=inplace)


def build_activation_layer(
    opts: Any, act_type: str | None = None, num_parameters: int = -1
) -> nn.Module:
    return {"swish": nn.SiLU, "relu": nn.ReLU}[act_type or getattr(opts, "model.activation.name")]()


class ConvLayer2d(nn.Module):
    def __init__(
        self,
        opts: Any,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        dilation: int = 1,
        padding: int | None = None,
        groups: int = 1,
        bias: bool = False,
        padding_mode: str = "zeros",
        use_norm: bool = True,
        use_act: bool = True,
        norm_layer: nn.Module | None = None,
        act_layer: nn.Module | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        assert not args, "too many arguments"
        assert not kwargs, f"ConvLayer2d would pass over {kwargs}"
        assert norm_layer is None
        assert act_layer is None
        assert not (use_norm and bias), "Do not use bias when using normalization layers with bias."
        padding = int((kernel_size - 1) / 2) * dilation if padding is None else padding
        self.block = nn.Sequential()
        conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
        )
        self.block.add_module("conv", conv)
        if use_norm:
            name = getattr(opts, "model.normalization.name")
            self.block.add_module(
                "norm",
                get_normalization_layer(
                    opts, out_channels, "batch_norm_2d" if name == "batch_norm" else name
                ),
            )
        if use_act:
            self.block.add_module("act", build_activation_layer(opts, num_parameters=out_channels))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.block(x)
        return out


class LinearLayer(nn.Module):
    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, channel_first: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None
        self.in_features, self.out_features = in_features, out_features
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight, self.bias)


class GlobalPool(nn.Module):
    def __init__(self, pool_type: str = "mean", keep_dim: bool = False) -> None:
        super().__init__()
        assert pool_type == "mean"
        self.keep_dim = keep_dim

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(-2, -1), keepdim=self.keep_dim)


class SingleHeadAttention(nn.Module):
    def __init__(self, embed_dim: int, attn_dropout: float = 0.0, bias: bool = True) -> None:
        super().__init__()
        self.qkv_proj = LinearLayer(embed_dim, 3 * embed_dim, bias)
        self.attn_dropout = Dropout(attn_dropout)
        self.out_proj = LinearLayer(embed_dim, embed_dim, bias)
        self.heads = 1

    def forward(self, x_q: Tensor, x_kv: Tensor | None = None, **masks: Any) -> Tensor:
        assert x_kv is None
        groups, count, dim = x_q.shape
        # The original computes its softmax in 32 bits, whatever the network's precision.
        query, key, value = (
            self.qkv_proj(x_q)
            .view(groups, count, 3, self.heads, dim // self.heads)
            .permute(2, 0, 3, 1, 4)
        )
        scores = torch.softmax(query * (dim // self.heads) ** -0.5 @ key.transpose(-1, -2), dim=-1)
        y = self.attn_dropout(scores) @ value
        out: Tensor = self.out_proj(y.transpose(1, 2).reshape(groups, count, dim))
        return out


class MultiHeadAttention(SingleHeadAttention):
    def __init__(
        self, embed_dim: int, num_heads: int, attn_dropout: float = 0.0, bias: bool = True
    ) -> None:
        assert embed_dim % num_heads == 0
        super().__init__(embed_dim, attn_dropout, bias)
        self.heads = num_heads


class LinearSelfAttention(nn.Module):
    def __init__(
        self, opts: Any, embed_dim: int, attn_dropout: float = 0.0, bias: bool = True
    ) -> None:
        super().__init__()
        plain = {"kernel_size": 1, "bias": bias, "use_norm": False, "use_act": False}
        self.qkv_proj = ConvLayer2d(opts, embed_dim, 1 + 2 * embed_dim, **plain)
        self.attn_dropout = Dropout(attn_dropout)
        self.out_proj = ConvLayer2d(opts, embed_dim, embed_dim, **plain)
        self.embed_dim = embed_dim

    def forward(self, x: Tensor, x_prev: Tensor | None = None) -> Tensor:
        assert x_prev is None
        query, key, value = self.qkv_proj(x).split([1, self.embed_dim, self.embed_dim], dim=1)
        context = (key * self.attn_dropout(torch.softmax(query, dim=-1))).sum(dim=-1, keepdim=True)
        out: Tensor = self.out_proj(torch.relu(value) * context)
        return out
