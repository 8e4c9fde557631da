"""Templates of the transformer inside a MobileViT block, for both layouts of tokens.

With multi-head attention, tokens are (B * P, N, d); with separable attention, (B, d, P, N). P
counts the positions inside a patch, N the patches.
"""

from __future__ import annotations

from dataclasses import dataclass

from mvt_nas.export.python_source.templates import CodePiece, init_signature

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
        """Return the normalised tokens."""
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
        """Return the normalised tokens."""
        tokens = x.unflatten(0, (-1, self.positions)).permute(0, 3, 1, 2)  # (B, d, P, N)
        return super().forward(tokens).permute(0, 2, 3, 1).reshape(x.shape)''',
)


@dataclass(frozen=True, slots=True)
class _Norm:
    """A normalization of tokens.

    Attributes:
        call: Call that constructs it.
        piece: Its class, unless torch has it.
        needs_patch: Whether the call uses the side of the patch.
    """

    call: str
    piece: CodePiece | None = None
    needs_patch: bool = False


_NORMS = {
    ("multi_head", "layer_norm"): _Norm("nn.LayerNorm(dim)"),
    ("multi_head", "group_norm"): _Norm("SampleNorm(dim, patch)", _SAMPLE_NORM, needs_patch=True),
    ("separable", "group_norm"): _Norm("nn.GroupNorm(1, dim)"),
    ("separable", "layer_norm"): _Norm("ChannelNorm(dim)", _CHANNEL_NORM),
}
"""Normalizations by attention, which determines the layout of tokens, and norm."""


def transformer(name: str, attention: str, norm: str) -> CodePiece:
    """Return the class of a transformer between patches.

    It is constructed from ``dim, ffn_dim, depth[, heads], patch``, with heads for multi-head
    attention.

    Args:
        name: Name of the class; that of its layers is this with ``Layer`` appended.
        attention: ``multi_head`` or ``separable``.
        norm: ``layer_norm`` or ``group_norm``.
    """
    layer = _layer(f"{name}Layer", attention, norm)
    multi_head = attention == "multi_head"
    norm_of_tokens = _NORMS[attention, norm]
    heads = ["heads"] if multi_head else []
    layer_arguments = ["dim", "ffn_dim", *heads]
    if norm_of_tokens.needs_patch:
        layer_arguments.append("patch")
    parameters = ["dim", "ffn_dim", "depth", *heads, "patch"]
    # Separable attention keeps the layout that pixel_unshuffle yields; softmax attention needs the
    # tokens in one axis and the channels in the last.
    to_tokens = []
    from_tokens = []
    if multi_head:
        to_tokens = ["        x = x.permute(0, 2, 3, 1).flatten(0, 1)  # (B * P, N, d)"]
        from_tokens = [
            "        x = x.unflatten(0, (batch, -1)).permute(0, 3, 1, 2)  # (B, d, P, N)"
        ]
    lines = [
        f"class {name}(nn.Module):",
        (
            '    """Unfolds maps into patches, lets the patches attend to each other, and folds'
            ' them again."""'
        ),
        "",
        *init_signature(f"{parameter}: int" for parameter in parameters),
        "        super().__init__()",
        "        self.patch = patch",
        f"        layers = [{layer.name}({', '.join(layer_arguments)}) for _ in range(depth)]",
        "        self.layers = nn.Sequential(*layers)",
        f"        self.norm = {norm_of_tokens.call}",
        "",
        "    def forward(self, x: Tensor) -> Tensor:",
        '        """Return (B, d, H, W) for (B, d, H, W); the patch divides H and W."""',
        "        batch, dim, height, width = x.shape",
        "        rows, columns = height // self.patch, width // self.patch",
        "        x = F.pixel_unshuffle(x, self.patch)  # (B, d * P, rows, columns)",
        "        x = x.reshape(batch, dim, self.patch**2, rows * columns)  # (B, d, P, N)",
        *to_tokens,
        "        x = self.norm(self.layers(x))",
        *from_tokens,
        "        return F.pixel_shuffle(x.reshape(batch, -1, rows, columns), self.patch)",
    ]
    return CodePiece(name, "\n".join(lines), (layer,))


def _layer(name: str, attention: str, norm: str) -> CodePiece:
    """Return the class of one transformer layer."""
    norm_of_tokens = _NORMS[attention, norm]
    parameters = ["dim", "ffn_dim"]
    if attention == "multi_head":
        attention_piece = _MULTI_HEAD
        attention_call = "MultiHeadAttention(dim, heads)"
        parameters.append("heads")
        # The channels are the last axis of the tokens.
        linear = "Linear"
        kernel_size = ""
        shape = "(B * P, N, d)"
    else:
        attention_piece = _SEPARABLE
        attention_call = "SeparableAttention(dim)"
        linear = "Conv2d"
        kernel_size = ", 1"
        shape = "(B, d, P, N)"
    if norm_of_tokens.needs_patch:
        parameters.append("patch")
    lines = [
        f"class {name}(nn.Module):",
        '    """Attention and feed-forward network, each after a norm and added to its input."""',
        "",
        *init_signature(f"{parameter}: int" for parameter in parameters),
        "        super().__init__()",
        f"        self.norm_attention = {norm_of_tokens.call}",
        f"        self.attention = {attention_call}",
        f"        self.norm_ffn = {norm_of_tokens.call}",
        f"        self.widen = nn.{linear}(dim, ffn_dim{kernel_size})",
        f"        self.narrow = nn.{linear}(ffn_dim, dim{kernel_size})",
        "",
        "    def forward(self, x: Tensor) -> Tensor:",
        f'        """Return tokens in the shape of x, {shape}."""',
        "        x = x + self.attention(self.norm_attention(x))",
        "        return x + self.narrow(F.silu(self.widen(self.norm_ffn(x))))",
    ]
    needs = [attention_piece]
    if norm_of_tokens.piece is not None:
        needs.insert(0, norm_of_tokens.piece)
    return CodePiece(name, "\n".join(lines), tuple(needs))
