"""Template of the MobileViT block.

The choices of a block are written out in the code of its class; its sizes are arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import listing
from mvt_nas.export.python_source.layers import CONV_NORM, DILATED, RESIZED, dilated
from mvt_nas.export.python_source.templates import (
    TEMPLATES,
    BlockCall,
    BlockPlacement,
    BlockTemplate,
    CodePiece,
    init_signature,
    variant_names,
)
from mvt_nas.export.python_source.transformer import transformer

_TRANSFORMER_FIELDS = ("attention", "norm")
_CLASS_FIELDS = (
    *_TRANSFORMER_FIELDS,
    "local_conv",
    "local_kernel",
    "projection",
    "fusion",
    "fusion_kernel",
    "fusion_activation",
    "concat_order",
    "residual",
    "resize",
    "align_corners",
)
"""Fields that are written out in the code of the class."""

_ARGUMENT_FIELDS = ("dim", "ffn_dim", "transformer_depth", "heads", "patch")
"""Fields that are arguments of the class."""


def write(placements: Mapping[int, BlockPlacement]) -> Mapping[int, BlockCall]:
    """Return the calls that construct all MobileViT blocks of a network, by stage.

    Blocks with the same choices share a class.
    """
    transformer_kinds = {
        number: _values(placement.block, _TRANSFORMER_FIELDS)
        for number, placement in placements.items()
    }
    class_kinds = {
        number: (*_values(placement.block, _CLASS_FIELDS), _dilation(placement))
        for number, placement in placements.items()
    }
    transformer_names = _names_by_kind("Transformer", transformer_kinds)
    class_names = _names_by_kind("MobileViTBlock", class_kinds)
    calls = {}
    for number, placement in placements.items():
        kind = class_kinds[number]
        inner = transformer(
            transformer_names[transformer_kinds[number]],
            placement.block.attention,
            placement.block.norm,
        )
        stages = [other for other, other_kind in class_kinds.items() if other_kind == kind]
        piece = _block_class(class_names[kind], placement, inner, stages)
        calls[number] = BlockCall(_call(piece.name, placement), piece)
    return calls


def sources(block: MobileViT) -> tuple[str, ...]:
    """Return the papers of a block's choices."""
    papers = ["MobileViTv2, arXiv 2206.02680"]
    if block.attention == "multi_head":
        papers = ["MobileViT, arXiv 2110.02178"]
    if block.fusion == "local" or block.residual:
        papers.append("MobileViTv3, arXiv 2209.15159")
    return tuple(papers)


def _values(block: MobileViT, fields: Iterable[str]) -> tuple[object, ...]:
    return tuple(getattr(block, name) for name in fields)


def _dilation(placement: BlockPlacement) -> int:
    """Return the dilation of the local convolution.

    Source: the releases of MobileViT and MobileViTv2, of which only the second has one.
    """
    block = placement.block
    dilates = block.attention == "separable" and block.local_kernel > 1
    return placement.dilation if dilates else 1


def _names_by_kind(
    base: str, kinds: Mapping[int, tuple[object, ...]]
) -> dict[tuple[object, ...], str]:
    """Return names of variants by their kind, numbered by the first stage of each kind."""
    first_stages: dict[tuple[object, ...], int] = {}
    for number, kind in kinds.items():
        first_stages.setdefault(kind, number)
    names = variant_names(base, first_stages.values())
    return {kind: names[number] for kind, number in first_stages.items()}


def _call(name: str, placement: BlockPlacement) -> str:
    """Return the call that constructs a block."""
    block = placement.block
    heads = f"heads={block.heads}, " if block.attention == "multi_head" else ""
    arguments = (
        f"dim={block.dim}, ffn_dim={block.ffn_dim}, depth={block.transformer_depth},"
        f" {heads}patch={block.patch}"
    )
    return f"{name}({placement.width}, {arguments})"


def _block_class(
    name: str, placement: BlockPlacement, inner: CodePiece, stages: list[int]
) -> CodePiece:
    """Return the class of a block.

    Args:
        name: Name of the class.
        placement: A block with its choices.
        inner: Class of its transformer.
        stages: Numbers of all stages with such a block.
    """
    block = placement.block
    dilation = _dilation(placement)
    plural = "s" if len(stages) > 1 else ""
    lines = [
        f"class {name}(nn.Module):",
        f'    """{_summary(block)}',
        "",
        f"    Used in stage{plural} {listing(stages)}.",
        '    """',
        "",
        *_init_lines(block, inner, dilation),
        "",
        *_forward_lines(block),
    ]
    needs = [CONV_NORM, RESIZED, inner]
    if dilation > 1:
        needs.insert(1, DILATED)
    return CodePiece(name, "\n".join(lines), tuple(needs))


def _summary(block: MobileViT) -> str:
    """Return the first line of the docstring of the class."""
    parts = ["Local convolution", "transformer over patches"]
    if block.fusion == "input":
        parts.append("fusion with the input")
    elif block.fusion == "local":
        parts.append("fusion with local features")
    if block.residual:
        parts.append("sum with input")
    return f"{', '.join(parts)}."


def _init_lines(block: MobileViT, inner: CodePiece, dilation: int) -> list[str]:
    """Return the lines of ``__init__``."""
    heads = ["heads"] if block.attention == "multi_head" else []
    parameters = ["width", "dim", "ffn_dim", "depth", *heads, "patch"]
    groups = ", groups=width" if block.local_conv == "depthwise" else ""
    local_conv = dilated(f"ConvNorm(width, width, {block.local_kernel}{groups})", dilation)
    lines = [
        *init_signature(f"{parameter}: int" for parameter in parameters),
        "        super().__init__()",
        "        self.patch = patch",
        f"        self.local_conv = {local_conv}",
        "        self.local_project = nn.Conv2d(width, dim, 1, bias=False)",
        f"        self.tokens = {inner.name}({', '.join(parameters[1:])})",
    ]
    if block.projection != "none":
        lines.append(f"        self.project = ConvNorm(dim, width{_linear(block.projection)})")
    if block.fusion != "none":
        linear = _linear(str(block.fusion_activation))
        lines.append(
            f"        self.fuse = ConvNorm({_fused_channels(block)}, width,"
            f" {block.fusion_kernel}{linear})"
        )
    return lines


def _fused_channels(block: MobileViT) -> str:
    """Return the expression of the channels of the concatenation that is fused."""
    features = "width" if block.fusion == "input" else "dim"
    tokens = "dim" if block.projection == "none" else "width"
    return f"{features} + {tokens}" if features != tokens else f"2 * {features}"


def _linear(activation: str) -> str:
    return ", linear=True" if activation == "linear" else ""


def _forward_lines(block: MobileViT) -> list[str]:
    """Return the lines of ``forward``."""
    shape = "(B, C, H, W) for (B, C, H, W)"
    resize = []
    if block.resize == "input":
        shape = "(B, C, H', W') for (B, C, H, W); the patch divides H' and W'"
        resize = [f"        x = {_resized_to_patches('x', block)}"]
    *steps, last = _forward_steps(block)
    return [
        "    def forward(self, x: Tensor) -> Tensor:",
        f'        """Return {shape}."""',
        *resize,
        "        local = self.local_project(self.local_conv(x))  # (B, d, H, W)",
        *(f"        y = {step}" for step in steps),
        f"        return {last}",
    ]


def _forward_steps(block: MobileViT) -> list[str]:
    """Return the expressions after the local features; each has the result of the last as ``y``."""
    if block.resize == "local":
        steps = [f"self.tokens({_resized_to_patches('local', block)})"]
        y = f"_resized(y, (local.shape[2], local.shape[3]), align_corners={block.align_corners})"
    else:
        steps = ["self.tokens(local)"]
        y = "y"
    if block.projection != "none":
        steps.append(f"self.project({y})")
    elif y != "y":  # resizing is a step of its own
        steps.append(y)
    if block.fusion != "none":
        features = "x" if block.fusion == "input" else "local"
        parts = [features, "y"] if block.concat_order == "global_last" else ["y", features]
        steps.append(f"self.fuse(torch.cat([{', '.join(parts)}], dim=1))")
    if block.residual:
        steps.append("x + y")
    return steps


def _resized_to_patches(name: str, block: MobileViT) -> str:
    """Return the expression that resizes maps to a size that the patch divides."""
    return f"_resized({name}, _divisible({name}, self.patch), align_corners={block.align_corners})"


TEMPLATES.register("mobilevit")(
    BlockTemplate(fields=(*_CLASS_FIELDS, *_ARGUMENT_FIELDS), write=write, sources=sources)
)
