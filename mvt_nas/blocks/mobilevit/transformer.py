"""Transformer layers of the MobileViT block, in the two token layouts.

``multi_head`` works on (B * P, N, d), ``separable`` on (B, d, P, N), where P counts the positions
inside a patch and N the patches. Copies are explicit, so that the layers run exactly the kernels
that ``attention_lowering.py`` lists.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mvt_nas.blocks.layers import copy


class TokenNorm(nn.Module):
    """Layer norm over the channels, or group norm with one group, in either layout.

    Args:
        kind: Kind of norm, ``"layer_norm"`` or ``"group_norm"``.
        dim: Channels d.
        positions: P where the layout is (B * P, N, d); ``None`` where it is (B, d, P, N).
    """

    def __init__(self, kind: str, dim: int, positions: int | None) -> None:
        super().__init__()
        self.kind = kind
        self.positions = positions
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Return the normed tokens in the shape of ``x``."""
        if self.kind == "layer_norm":
            if self.positions:
                return self._layer(x)
            # Layer norm needs the channels last.
            y = self._layer(copy(x.permute(0, 2, 3, 1)))
            return copy(y.permute(0, 3, 1, 2))
        if self.positions is None:
            return self._group(x)
        # Group norm needs the channels second, and all tokens of a sample together.
        tokens = x.view(-1, self.positions, *x.shape[1:])
        y = self._group(copy(tokens.permute(0, 3, 1, 2)))
        return copy(y.permute(0, 2, 3, 1)).view(x.shape)

    def _layer(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, self.weight.shape, self.weight, self.bias)

    def _group(self, x: Tensor) -> Tensor:
        return functional.group_norm(x, 1, self.weight, self.bias)


class MultiHeadAttention(nn.Module):
    """Softmax attention between the patches, separately for each position inside the patch.

    Source: arXiv 2110.02178 §3.1; scores are scaled by ``(d / heads) ** -0.5``; no positional
        encoding.
    """

    def __init__(self, dim: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return (G, N, d) for (G, N, d)."""
        query, key, value = (self._split(part) for part in self.qkv(x).chunk(3, dim=-1))
        scale = query.shape[-1] ** -0.5
        scores = torch.bmm(query * scale, key.transpose(1, 2))  # (G * heads, N, N)
        y = torch.bmm(self.dropout(torch.softmax(scores, dim=-1)), value)
        y = y.view(-1, self.heads, *y.shape[1:]).transpose(1, 2)  # (G, N, heads, d / heads)
        out: Tensor = self.project(copy(y).view(x.shape))
        return out

    def _split(self, part: Tensor) -> Tensor:
        groups, count, dim = part.shape
        heads = part.view(groups, count, self.heads, dim // self.heads).transpose(1, 2)
        return copy(heads).view(groups * self.heads, count, dim // self.heads)


class SeparableAttention(nn.Module):
    """Separable self-attention, linear in the number of patches.

    It has one context vector per position inside the patch.

    Source: arXiv 2206.02680 §3.2, eq. 1.
    """

    def __init__(self, dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dim = dim
        self.qkv = nn.Conv2d(dim, 1 + 2 * dim, 1)
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, d, P, N) for (B, d, P, N)."""
        query, key, value = self.qkv(x).split([1, self.dim, self.dim], dim=1)
        scores = self.dropout(torch.softmax(query, dim=-1))  # (B, 1, P, N)
        context = (key * scores).sum(dim=-1, keepdim=True)  # (B, d, P, 1)
        out: Tensor = self.project(torch.relu(value) * context)
        return out


class TransformerLayer(nn.Module):
    """Pre-norm attention and feed-forward network, each with a residual connection."""

    def __init__(
        self,
        attention: nn.Module,
        norms: tuple[TokenNorm, TokenNorm],
        widen: nn.Module,
        narrow: nn.Module,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm_attention, self.norm_ffn = norms
        self.attention = attention
        self.widen = widen
        self.activation = nn.SiLU()
        self.narrow = narrow
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens in the shape of ``x``."""
        x = x + self.dropout(self.attention(self.norm_attention(x)))
        y = self.narrow(self.dropout(self.activation(self.widen(self.norm_ffn(x)))))
        out: Tensor = x + self.dropout(y)
        return out
