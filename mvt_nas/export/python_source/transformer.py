"""Templates of the transformer inside a MobileViT block, in the two layouts of tokens.

With multi-head attention, tokens are (B * P, N, d); with separable attention, (B, d, P, N). P
counts the positions inside a patch, N the patches.
"""

from __future__ import annotations

from dataclasses import dataclass

from mvt_nas.export.python_source.code_piece import CodePiece, init

_MULTI_HEAD = CodePiece(
    "MultiHeadAttention",
    '''\
class MultiHeadAttention(nn.Module):
    """Softmax attention between patches, for each position inside the patch (arXiv 2110.02178)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.project = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B * P, N, d) for (B * P, N, d)."""
        parts = self.qkv(x).unflatten(2, (3, self.heads, -1))  # (B * P, N, 3, heads, d / heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(query, key, value)  # (B * P, heads, N, d / heads)
        return self.project(y.transpose(1, 2).flatten(2))''',
)

_SEPARABLE = CodePiece(
    "SeparableAttention",
    '''\
class SeparableAttention(nn.Module):
    """One context vector for each position inside the patch, linear in N (arXiv 2206.02680)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.qkv = nn.Conv2d(dim, 1 + 2 * dim, 1)
        self.project = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, d, P, N) for (B, d, P, N)."""
        query, key, value = self.qkv(x).split([1, self.dim, self.dim], dim=1)
        context = (key * query.softmax(dim=-1)).sum(dim=-1, keepdim=True)  # (B, d, P, 1)
        return self.project(value.relu() * context)''',
)

_CHANNEL_NORM = CodePiece(
    "ChannelNorm",
    '''\
class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of tokens (B, d, P, N)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the normed tokens."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)''',
)

_SAMPLE_NORM = CodePiece(
    "SampleNorm",
    '''\
class SampleNorm(nn.GroupNorm):
    """Norm over all channels and tokens of an image, of tokens (B * P, N, d)."""

    def __init__(self, dim: int, patch: int) -> None:
        super().__init__(1, dim)
        self.positions = patch**2

    def forward(self, x: Tensor) -> Tensor:
        """Return the normed tokens."""
        tokens = x.unflatten(0, (-1, self.positions)).permute(0, 3, 1, 2)  # (B, d, P, N)
        return super().forward(tokens).permute(0, 2, 3, 1).reshape(x.shape)''',
)


@dataclass(frozen=True, slots=True)
class _Norm:
    """A norm of tokens: how it is made, its class where torch has none, and whether it has to know the patch."""

    call: str
    piece: tuple[CodePiece, ...] = ()
    of_patch: bool = False


_NORMS = {
    ("multi_head", "layer_norm"): _Norm("nn.LayerNorm(dim)"),
    ("multi_head", "group_norm"): _Norm("SampleNorm(dim, patch)", (_SAMPLE_NORM,), of_patch=True),
    ("separable", "group_norm"): _Norm("nn.GroupNorm(1, dim)"),
    ("separable", "layer_norm"): _Norm("ChannelNorm(dim)", (_CHANNEL_NORM,)),
}


def transformer(name: str, attention: str, norm: str) -> CodePiece:
    """Return a transformer between patches; its arguments are ``dim, ffn_dim, depth[, heads], patch``, with heads for multi-head attention.

    Args:
        name: of its class; that of its layers is this with ``Layer`` after it.
        attention: ``multi_head`` or ``separable``.
        norm: ``layer_norm`` or ``group_norm``.
    """
    layer = _layer(f"{name}Layer", attention, norm)
    multi_head = attention == "multi_head"
    own = [
        *(["heads"] if multi_head else []),
        *(["patch"] if _NORMS[attention, norm].of_patch else []),
    ]
    arguments = ", ".join(["dim", "ffn_dim", *own])
    to_tokens = "x.permute(0, 2, 3, 1).flatten(0, 1)  # (B * P, N, d)" if multi_head else None
    from_tokens = (
        "x.unflatten(0, (batch, -1)).permute(0, 3, 1, 2)  # (B, d, P, N)" if multi_head else None
    )
    lines = [
        f"class {name}(nn.Module):",
        (
            '    """Unfolds maps into patches, lets the patches attend to each other, and folds'
            ' them again."""'
        ),
        "",
        *init(
            [
                "dim: int",
                "ffn_dim: int",
                "depth: int",
                *(["heads: int"] if multi_head else []),
                "patch: int",
            ]
        ),
        "        super().__init__()",
        "        self.patch = patch",
        f"        layers = [{layer.name}({arguments}) for _ in range(depth)]",
        "        self.layers = nn.Sequential(*layers)",
        f"        self.norm = {_NORMS[attention, norm].call}",
        "",
        "    def forward(self, x: Tensor) -> Tensor:",
        '        """Return (B, d, H, W) for (B, d, H, W); the patch divides H and W."""',
        "        batch, dim, height, width = x.shape",
        "        rows, columns = height // self.patch, width // self.patch",
        "        x = F.pixel_unshuffle(x, self.patch)  # (B, d * P, rows, columns)",
        "        x = x.reshape(batch, dim, self.patch**2, rows * columns)  # (B, d, P, N)",
        *([f"        x = {to_tokens}"] if to_tokens else []),
        "        x = self.norm(self.layers(x))",
        *([f"        x = {from_tokens}"] if from_tokens else []),
        "        return F.pixel_shuffle(x.reshape(batch, -1, rows, columns), self.patch)",
    ]
    return CodePiece(name, "\n".join(lines), (layer,))


def _layer(name: str, attention: str, norm: str) -> CodePiece:
    multi_head, kind = attention == "multi_head", _NORMS[attention, norm]
    parameters = [
        *(["heads: int"] if multi_head else []),
        *(["patch: int"] if kind.of_patch else []),
    ]
    linear, window = ("Linear", "") if multi_head else ("Conv2d", ", 1")
    lines = [
        f"class {name}(nn.Module):",
        '    """Attention and feed-forward network, each after a norm and added to its input."""',
        "",
        *init(["dim: int", "ffn_dim: int", *parameters]),
        "        super().__init__()",
        f"        self.norm_attention = {kind.call}",
        (
            "        self.attention ="
            f" {'MultiHeadAttention(dim, heads)' if multi_head else 'SeparableAttention(dim)'}"
        ),
        f"        self.norm_ffn = {kind.call}",
        f"        self.widen = nn.{linear}(dim, ffn_dim{window})",
        f"        self.narrow = nn.{linear}(ffn_dim, dim{window})",
        "",
        "    def forward(self, x: Tensor) -> Tensor:",
        (
            '        """Return tokens in the shape of x,'
            f' {"(B * P, N, d)" if multi_head else "(B, d, P, N)"}."""'
        ),
        "        x = x + self.attention(self.norm_attention(x))",
        "        return x + self.narrow(F.silu(self.widen(self.norm_ffn(x))))",
    ]
    return CodePiece(
        name, "\n".join(lines), (*kind.piece, _MULTI_HEAD if multi_head else _SEPARABLE)
    )
