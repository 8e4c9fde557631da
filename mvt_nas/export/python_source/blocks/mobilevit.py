"""Template of the MobileViT block: what a block chooses is written out, its numbers are arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import listing
from mvt_nas.export.python_source.code_piece import CodePiece, init, names
from mvt_nas.export.python_source.layers import CONV_NORM, DILATED, RESIZED, dilated
from mvt_nas.export.python_source.templates import (
    TEMPLATES,
    BlockCall,
    BlockPlacement,
    BlockTemplate,
)
from mvt_nas.export.python_source.transformer import transformer

_TOKENS = ("attention", "norm")
_WRITTEN = (
    *_TOKENS,
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
_NUMBERS = ("dim", "ffn_dim", "transformer_depth", "heads", "patch")


def write(places: Mapping[int, BlockPlacement]) -> Mapping[int, BlockCall]:
    """Return the calls of all MobileViT blocks of a network, by stage."""
    transformers = _by_first(
        {number: _values(place.block, _TOKENS) for number, place in places.items()}
    )
    transformer_names = names("Transformer", transformers.values())
    kinds = {
        number: (*_values(place.block, _WRITTEN), _dilation(place))
        for number, place in places.items()
    }
    variants = _by_first(kinds)
    block_names = names("MobileViTBlock", variants.values())
    calls = {}
    for number, place in places.items():
        block = place.block
        inner = transformer(
            transformer_names[transformers[_values(block, _TOKENS)]], block.attention, block.norm
        )
        stages = [other for other, kind in kinds.items() if kind == kinds[number]]
        piece = _block(block_names[variants[kinds[number]]], place, inner, stages)
        calls[number] = BlockCall(_call(piece.name, place), piece)
    return calls


def sources(block: MobileViT) -> tuple[str, ...]:
    """Return the papers that a block's choices are from."""
    first = (
        "MobileViT, arXiv 2110.02178"
        if block.attention == "multi_head"
        else "MobileViTv2, arXiv 2206.02680"
    )
    third = ("MobileViTv3, arXiv 2209.15159",) if block.fusion == "local" or block.residual else ()
    return (first, *third)


def _values(block: MobileViT, fields: Iterable[str]) -> tuple[object, ...]:
    return tuple(getattr(block, name) for name in fields)


def _dilation(place: BlockPlacement) -> int:
    """Return the dilation of the local convolution.

    Source: the releases of MobileViT and MobileViTv2, of which only the second has one.
    """
    return (
        place.dilation
        if place.block.attention == "separable" and place.block.local_kernel > 1
        else 1
    )


def _by_first(kinds: Mapping[int, tuple[object, ...]]) -> dict[tuple[object, ...], int]:
    """Return by kind the first stage that is of it."""
    found: dict[tuple[object, ...], int] = {}
    for number, kind in kinds.items():
        found.setdefault(kind, number)
    return found


def _call(name: str, place: BlockPlacement) -> str:
    block = place.block
    heads = f"heads={block.heads}, " if block.attention == "multi_head" else ""
    numbers = (
        f"dim={block.dim}, ffn_dim={block.ffn_dim}, depth={block.transformer_depth},"
        f" {heads}patch={block.patch}"
    )
    return f"{name}({place.width}, {numbers})"


def _block(name: str, place: BlockPlacement, inner: CodePiece, stages: list[int]) -> CodePiece:
    block, dilation = place.block, _dilation(place)
    lines = [
        f"class {name}(nn.Module):",
        f'    """{_summary(block)}',
        "",
        f"    It stands in stage{'s' * (len(stages) > 1)} {listing(stages)}.",
        '    """',
        "",
        *_init(block, inner, dilation),
        "",
        *_forward(block),
    ]
    return CodePiece(
        name, "\n".join(lines), (CONV_NORM, *([DILATED] if dilation > 1 else []), RESIZED, inner)
    )


def _summary(block: MobileViT) -> str:
    fused = {
        "none": "",
        "input": ", fusion with the input",
        "local": ", fusion with local features",
    }[block.fusion]
    added = ", sum with input" if block.residual else ""
    return f"Local convolution, transformer over patches{fused}{added}."


def _init(block: MobileViT, inner: CodePiece, dilation: int) -> list[str]:
    heads = ["heads"] if block.attention == "multi_head" else []
    local = f"{block.local_kernel}{', groups=width' if block.local_conv == 'depthwise' else ''}"
    lines = [
        *init(f"{name}: int" for name in ("width", "dim", "ffn_dim", "depth", *heads, "patch")),
        "        super().__init__()",
        "        self.patch = patch",
        f"        self.local_conv = {dilated(f'ConvNorm(width, width, {local})', dilation)}",
        "        self.local_project = nn.Conv2d(width, dim, 1, bias=False)",
        (
            "        self.tokens ="
            f" {inner.name}({', '.join(['dim', 'ffn_dim', 'depth', *heads, 'patch'])})"
        ),
    ]
    if block.projection != "none":
        lines.append(f"        self.project = ConvNorm(dim, width{_linear(block.projection)})")
    if block.fusion != "none":
        parts = (
            "width" if block.fusion == "input" else "dim",
            "dim" if block.projection == "none" else "width",
        )
        channels = " + ".join(parts) if parts[0] != parts[1] else f"2 * {parts[0]}"
        lines.append(
            f"        self.fuse = ConvNorm({channels}, width,"
            f" {block.fusion_kernel}{_linear(str(block.fusion_activation))})"
        )
    return lines


def _linear(activation: str) -> str:
    return ", linear=True" if activation == "linear" else ""


def _forward(block: MobileViT) -> list[str]:
    grows = block.resize == "input"
    shape = (
        "(B, C, H', W') for (B, C, H, W); the patch divides H' and W'"
        if grows
        else "(B, C, H, W) for (B, C, H, W)"
    )
    resize = [f"        x = {_divided('x', block)}"] if grows else []
    *steps, last = _steps(block)
    return [
        "    def forward(self, x: Tensor) -> Tensor:",
        f'        """Return {shape}."""',
        *resize,
        "        local = self.local_project(self.local_conv(x))  # (B, d, H, W)",
        *(f"        y = {step}" for step in steps),
        f"        return {last}",
    ]


def _steps(block: MobileViT) -> list[str]:
    """Return what follows the local features, each step of what the one before has called ``y``."""
    steps, y = ["self.tokens(local)"], "y"
    if block.resize == "local":
        steps = [f"self.tokens({_divided('local', block)})"]
        y = f"_resized(y, (local.shape[2], local.shape[3]), align_corners={block.align_corners})"
    steps.append(f"self.project({y})" if block.projection != "none" else y)
    if block.fusion != "none":
        parts = ["x" if block.fusion == "input" else "local", "y"]
        steps.append(
            f"self.fuse(torch.cat([{', '.join(parts if block.concat_order == 'global_last' else parts[::-1])}],"
            " dim=1))"
        )
    if block.residual:
        steps.append("x + y")
    return [step for step in steps if step != "y"]


def _divided(name: str, block: MobileViT) -> str:
    return f"_resized({name}, _divisible({name}, self.patch), align_corners={block.align_corners})"


TEMPLATES.register("mobilevit")(
    BlockTemplate(fields=(*_WRITTEN, *_NUMBERS), write=write, sources=sources)
)
