"""The configuration of a MobileViT block.

The published blocks are these configurations:

| block | attention | local_conv | fusion | fusion_kernel | residual |
|---|---|---|---|---|---|
| v1 (2110.02178) | multi_head | full | input | 3 | no |
| v2 (2206.02680) | separable | depthwise | none | - | no |
| v3 on v1 (2209.15159) | multi_head | depthwise | local | 1 | yes |
| v3 on v2 (2209.15159) | separable | depthwise | local | 1 | yes |

The fields after ``residual`` are further differences between the authors' blocks; their defaults
follow the attention, as published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mvt_nas._fields import Alias, FieldSpec, choice, flag, integer
from mvt_nas.space.architecture import BLOCKS, Block
from mvt_nas.space.widths import feed_forward_width

_MULTI_HEAD = {"attention": ("multi_head",)}
_FUSED = {"fusion": ("input", "local")}


@BLOCKS.register("mobilevit")
@dataclass(frozen=True, slots=True, kw_only=True)
class MobileViT(Block):
    """A local convolution, a transformer over unfolded patches, and the fusion of their features.

    Every field is documented where it is declared. Files may give ``ffn_multiplier`` in place of
    ``ffn_dim``.
    """

    kind: ClassVar[str] = "mobilevit"
    aliases: ClassVar[dict[str, Alias]] = {
        "ffn_multiplier": Alias(
            "ffn_dim",
            "dim",
            FieldSpec(float, "feed-forward channels / dim", low=0.25, high=16.0),
            feed_forward_width,
            2.0,
        )
    }
    constraints: ClassVar[tuple[str, ...]] = (
        "dim % heads == 0",
        "fusion != 'none' or projection != 'none'",
    )

    attention: str = choice(
        "multi_head",
        "separable",
        doc="softmax over all patch pairs, or linear-cost separable self-attention",
    )
    dim: int = integer(1, 8192, doc="transformer channels d")
    transformer_depth: int = integer(1, 64, doc="number of transformer layers L", default=2)
    ffn_dim: int = integer(1, 65536, doc="feed-forward channels f")
    heads: int | None = integer(1, 64, doc="attention heads", default=4, when=_MULTI_HEAD)
    patch: int = integer(1, 64, doc="side of the square patch, in pixels of the map", default=2)
    local_conv: str = choice(
        "full",
        "depthwise",
        doc="first convolution of the local features",
        defaults=((_MULTI_HEAD, "full"), ({}, "depthwise")),
    )
    local_kernel: int = integer(1, 15, odd=True, doc="its kernel side", default=3)
    fusion: str = choice(
        "none",
        "input",
        "local",
        doc=(
            "what is concatenated with the global features: nothing, the block's input, the local"
            " features"
        ),
    )
    fusion_kernel: int | None = integer(
        1,
        15,
        odd=True,
        doc="kernel side of the convolution after the concatenation",
        default=1,
        when=_FUSED,
    )
    residual: bool = flag(doc="whether the block's input is added to its output")
    norm: str = choice(
        "layer_norm",
        "group_norm",
        doc=(
            "norm of the tokens: over their channels, or (one group) over a sample's channels and"
            " positions"
        ),
        defaults=((_MULTI_HEAD, "layer_norm"), ({}, "group_norm")),
    )
    projection: str = choice(
        "silu",
        "linear",
        "none",
        doc=(
            "the 1 x 1 convolution back from dim to width: with SiLU, without activation, or"
            " left out"
        ),
        defaults=((_MULTI_HEAD, "silu"), ({"fusion": ("none",)}, "linear"), ({}, "none")),
    )
    fusion_activation: str | None = choice(
        "silu",
        "linear",
        doc="activation after the fusion's convolution",
        when=_FUSED,
        defaults=((_MULTI_HEAD, "silu"), ({}, "linear")),
    )
    concat_order: str | None = choice(
        "global_last",
        "global_first",
        doc="order in the concatenation",
        when=_FUSED,
        defaults=((_MULTI_HEAD, "global_last"), ({}, "global_first")),
    )
    resize: str = choice(
        "local",
        "input",
        doc=(
            "where the patch does not divide the map: resize the local features and back again, or"
            " the input for good"
        ),
        defaults=((_MULTI_HEAD, "local"), ({}, "input")),
    )
    align_corners: bool = flag(
        doc="corner alignment of that bilinear resize", defaults=((_MULTI_HEAD, False), ({}, True))
    )
