"""What a template of a block is, and one of the head of a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mvt_nas._fields import specs
from mvt_nas.errors import ExportError, listing
from mvt_nas.export.python_source.code_piece import CodePiece
from mvt_nas.models.lowering import backbone_steps
from mvt_nas.registry import Registry
from mvt_nas.space.architecture import Architecture, Block
from mvt_nas.tasks.base import Task


@dataclass(frozen=True, slots=True)
class BlockPlacement:
    """A block where it stands.

    Attributes:
        width: channels of its stage.
        block: its configuration.
        dilation: of its convolutions, where stages in front of it have lost their strides (see
            :mod:`mvt_nas.tasks.strides`).
    """

    width: int
    block: Any
    dilation: int = 1


@dataclass(frozen=True, slots=True)
class BlockCall:
    """How a block is made in the file.

    Attributes:
        text: the call, such as ``MobileViTBlock(128, dim=64)``.
        piece: the class that it calls.
    """

    text: str
    piece: CodePiece


@dataclass(frozen=True, slots=True)
class BlockTemplate:
    """How the blocks of one kind are written.

    Attributes:
        fields: that it expresses; a block that has others is refused.
        write: returns the calls of a network's blocks, by the number of their stage; gets all that
            are of this kind.
        sources: returns the papers of a block, such as ``MobileViT v1, arXiv 2110.02178``.
    """

    fields: tuple[str, ...]
    write: Callable[[Mapping[int, BlockPlacement]], Mapping[int, BlockCall]]
    sources: Callable[[Any], tuple[str, ...]]


TEMPLATES: Registry[BlockTemplate] = Registry(
    "template of a block", "mvt_nas.export.python_source.blocks"
)
"""Templates by the name of the block."""


def template(number: int, block: Block) -> BlockTemplate:
    """Return the template of a stage's block.

    Raises:
        ExportError: there is none, or the block has fields that it does not know.
    """
    if block.kind not in TEMPLATES:
        raise ExportError(
            f"stage {number} cannot be written in PyTorch: no template of block {block.kind!r}"
            f" (known: {listing(TEMPLATES)})"
        )
    found = TEMPLATES.get(block.kind)
    unknown = [name for name in specs(type(block)) if name not in found.fields]
    if unknown:
        raise ExportError(
            f"stage {number} cannot be written in PyTorch: the template of {block.kind} does not"
            f" know {listing(unknown)}"
        )
    return found


@dataclass(frozen=True, slots=True)
class HeadSource:
    """How the head of a task is written.

    Attributes:
        call: how it is made, with the name ``num_classes`` in it, such as ``DeepLab(160,
            num_classes)``.
        pieces: classes and functions that the network needs for it.
        methods: lines of the network's methods, ``forward`` the last of them.
        usage: lines that show how the network is called.
        sources: papers, as those of blocks.
        functions: names of pieces that whoever calls the network may want.
    """

    call: str
    pieces: tuple[CodePiece, ...]
    methods: tuple[str, ...]
    usage: tuple[str, ...]
    sources: tuple[str, ...]
    functions: tuple[str, ...] = ()


HEAD_TEMPLATES: Registry[Callable[[Any, Sequence[int], Sequence[int]], HeadSource]] = Registry(
    "template of the head of a task", "mvt_nas.export.python_source.heads"
)
"""``(task, widths of the maps, numbers of the stages that they leave)`` to text, by the name of the
task."""


def calls(architecture: Architecture, task: Task | None = None) -> dict[int, BlockCall]:
    """Return the calls of all blocks, by the number of their stage, from 1.

    Raises:
        ExportError: a block that no template expresses.
    """
    places: dict[str, dict[int, BlockPlacement]] = {}
    plan = backbone_steps(architecture, task)
    for number, (stage, step) in enumerate(zip(architecture.stages, plan, strict=True), start=1):
        if stage.block is not None:
            template(number, stage.block)
            places.setdefault(stage.kind, {})[number] = BlockPlacement(
                stage.width, stage.block, step.dilation
            )
    return {
        number: call
        for kind, found in places.items()
        for number, call in TEMPLATES.get(kind).write(found).items()
    }
