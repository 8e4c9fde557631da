"""Lowering of the MobileViT block: the kernels that ``module.py`` executes.

The block has two parts that are lowered separately when cost tables are compiled: the *tokens*
(unfold, transformer, fold) and the *convolutions* around them. Sizes may be arrays; names, patch
and map side are plain values.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, cast

from mvt_nas.blocks.base import LOWERINGS, BlockPart, Lowering
from mvt_nas.blocks.graph import Graph, Size, Tensor
from mvt_nas.blocks.mobilevit.attention_lowering import lower_multi_head, lower_separable
from mvt_nas.blocks.mobilevit.config import MobileViT


def round_up(size: int, patch: int) -> int:
    """Return the smallest multiple of ``patch`` that is at least ``size``."""
    # No negative operands: a traced division in ONNX rounds towards zero.
    return (size + patch - 1) // patch * patch


def lower_tokens(
    graph: Graph,
    local: Tensor,
    *,
    attention: str,
    norm: str,
    patch: int,
    resize: str,
    heads: int | None,
    dim: Size,
    ffn_dim: Size,
    transformer_depth: int,
) -> Tensor:
    """Append unfold, ``transformer_depth`` layers, the last norm and fold.

    Returns:
        The global features, (B, d, H, W) like ``local``.
    """
    side = local.shape[2]
    grown = round_up(side, patch)
    resizes = resize == "local" and grown != side
    x = graph.resize(local, grown, grown) if resizes else local
    x = graph.unfold(x, patch)
    layers = lower_multi_head if attention == "multi_head" else lower_separable
    x = layers(
        graph, x, dim=dim, ffn_dim=ffn_dim, depth=transformer_depth, norm=norm, heads=heads or 1
    )
    x = graph.fold(x, patch, grown, grown)
    return graph.resize(x, side, side) if resizes else x


def lower_convolutions(
    graph: Graph,
    x: Tensor,
    *,
    width: Size,
    dim: Size,
    patch: int,
    resize: str,
    local_conv: str,
    local_kernel: int,
    projection: str,
    fusion: str,
    fusion_kernel: int | None,
    fusion_activation: str | None,
    residual: bool,
    tokens: Callable[[Graph, Tensor], Tensor],
) -> Tensor:
    """Append local convolutions, ``tokens``, projection, fusion and residual.

    Returns:
        The block's output, (B, C, H', W').
    """
    grown = round_up(x.shape[2], patch)
    if resize == "input" and grown != x.shape[2]:
        x = graph.resize(x, grown, grown)
    local = graph.activation(
        graph.conv(x, width, local_kernel, depthwise=local_conv == "depthwise", norm=True)
    )
    local = graph.conv(local, dim)
    y = tokens(graph, local)
    if projection != "none":
        y = graph.conv(y, width, norm=True)
        y = graph.activation(y) if projection == "silu" else y
    if fusion != "none":
        y = graph.concat(x if fusion == "input" else local, y)
        y = graph.conv(y, width, fusion_kernel or 1, norm=True)
        y = graph.activation(y) if fusion_activation == "silu" else y
    return graph.add(x, y, "residual") if residual else y


def _lower(graph: Graph, x: Tensor, width: int, block: MobileViT) -> Tensor:
    def tokens(graph: Graph, local: Tensor) -> Tensor:
        return lower_tokens(graph, local, **{name: getattr(block, name) for name in TOKENS.fields})

    choices = {name: getattr(block, name) for name in CONVOLUTIONS.fields if name != "width"}
    return lower_convolutions(graph, x, width=width, tokens=tokens, **choices)


def _convolutions_with_call(graph: Graph, x: Tensor, **choices: object) -> Tensor:
    # The choices are those of CONVOLUTIONS.fields, which have the types of the parameters.
    return lower_convolutions(graph, x, tokens=Graph.call, **cast("dict[str, Any]", choices))


def _kernel_key(side: int, fields: Mapping[str, Any]) -> Hashable:
    """Return the key of the kernels of the convolutions.

    Patch and resize matter only by the side to which they enlarge the map.
    """
    rest = (fields[name] for name in CONVOLUTIONS.scalars if name not in ("patch", "resize"))
    return (side, _grown(side, fields["patch"], fields["resize"]), *rest)


def _grown(side: int, patch: int, resize: str) -> int:
    """Return the side of the block's output map."""
    return round_up(side, patch) if resize == "input" else side


CONVOLUTIONS = BlockPart(
    lower=_convolutions_with_call,
    scalars=(
        "patch",
        "resize",
        "local_conv",
        "local_kernel",
        "projection",
        "fusion",
        "fusion_kernel",
        "fusion_activation",
        "residual",
    ),
    arrays=("width", "dim"),
    kernel_key=_kernel_key,
)
TOKENS = BlockPart(
    lower=lower_tokens,
    scalars=("attention", "norm", "patch", "resize", "heads"),
    arrays=("dim", "ffn_dim"),
    repeat="transformer_depth",
)
LOWERINGS.register("mobilevit")(
    Lowering(
        _lower,
        outer=CONVOLUTIONS,
        inner=TOKENS,
        output_side=_grown,
        output_side_fields=("patch", "resize"),
        keeps_input=lambda fusion: bool(fusion == "local"),
        keeps_input_fields=("fusion",),
    )
)
