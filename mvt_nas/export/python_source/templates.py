"""Pieces of generated code, and the registries of block and head templates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mvt_nas._fields import specs
from mvt_nas.errors import ExportError, listing
from mvt_nas.models.lowering import backbone_steps, fitted, tapped
from mvt_nas.registry import Registry
from mvt_nas.space.architecture import Architecture, Block
from mvt_nas.tasks.base import Task

COLUMNS = 100
"""Largest length of a line in a generated file."""


@dataclass(frozen=True, slots=True)
class CodePiece:
    """A class or function of a generated file.

    Attributes:
        name: Name of the class or function.
        code: Text without indentation and without a final newline.
        needs: Pieces that must precede it.
    """

    name: str
    code: str
    needs: tuple[CodePiece, ...] = ()


def in_order(pieces: Iterable[CodePiece]) -> list[CodePiece]:
    """Return the pieces and all that they need, each once, and after the pieces that it needs."""
    ordered: dict[str, CodePiece] = {}
    for piece in pieces:
        for item in (*in_order(piece.needs), piece):
            known = ordered.setdefault(item.name, item)
            assert known.code == item.code, f"two pieces are called {item.name}"
    return list(ordered.values())


def variant_names(base: str, stages: Iterable[int]) -> dict[int, str]:
    """Return names for the variants of a class.

    Args:
        base: Name of the only variant; several get a number at the end.
        stages: For each variant, the number of the first stage that has it.

    Returns:
        Names by these numbers.
    """
    numbers = list(stages)
    return {number: base if len(numbers) == 1 else f"{base}{number}" for number in numbers}


def init_signature(parameters: Iterable[str]) -> list[str]:
    """Return the lines of the signature of an ``__init__``, wrapped if one line is too long."""
    inner = ", ".join(["self", *parameters])
    line = f"    def __init__({inner}) -> None:"
    if len(line) <= COLUMNS:
        return [line]
    return ["    def __init__(", f"        {inner}", "    ) -> None:"]


def class_name(name: str) -> str:
    """Return the name of a model's class, such as ``MvtMobilevitS`` for ``mvt_mobilevit_s``."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text with placeholders such as ``@NAME@`` replaced, one after the other."""
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text


@dataclass(frozen=True, slots=True)
class BlockPlacement:
    """A block and its place in the network.

    Attributes:
        width: Channels of its stage.
        block: Configuration of the block.
        dilation: Dilation of its convolutions, if stages in front of it lose their strides for a
            task (see :mod:`mvt_nas.tasks.strides`).
    """

    width: int
    block: Any
    dilation: int = 1


@dataclass(frozen=True, slots=True)
class BlockCall:
    """The code that constructs a block.

    Attributes:
        text: Call of the class, such as ``MobileViTBlock(128, dim=64)``.
        piece: The class.
    """

    text: str
    piece: CodePiece


@dataclass(frozen=True, slots=True)
class BlockTemplate:
    """An entry of :data:`TEMPLATES`: the generator of code for one kind of block.

    Attributes:
        fields: Supported fields of the block; a block with other fields is refused.
        write: Returns the calls that construct all blocks of this kind in a network, by the number
            of their stage.
        sources: Returns the papers of a block, such as ``MobileViT, arXiv 2110.02178``.
    """

    fields: tuple[str, ...]
    write: Callable[[Mapping[int, BlockPlacement]], Mapping[int, BlockCall]]
    sources: Callable[[Any], tuple[str, ...]]


TEMPLATES: Registry[BlockTemplate] = Registry(
    "template of a block", "mvt_nas.export.python_source.blocks"
)
"""Block templates by the name of the block."""


@dataclass(frozen=True, slots=True)
class HeadSource:
    """The code of the head of a task.

    Attributes:
        call: Call that constructs the head from a variable ``num_classes``, such as
            ``DeepLab(160, num_classes)``.
        pieces: Classes and functions that the network needs for it.
        methods: Lines of the methods of the network, ``forward`` the last of them.
        usage: Lines of an example that calls the network.
        sources: Papers of the head.
        functions: Names of functions in ``pieces`` for users of the network.
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
"""Head templates by the name of the task.

A template is a function of the task, the widths of the feature maps that the head takes, and the
indices of the stages that return these, from 0.
"""


def block_template(number: int, block: Block) -> BlockTemplate:
    """Return the template of a block.

    Args:
        number: Number of its stage, from 1, for messages.
        block: The block.

    Raises:
        ExportError: There is no template, or it does not support a field of the block.
    """
    where = f"stage {number} cannot be written in PyTorch"
    if block.kind not in TEMPLATES:
        raise ExportError(
            f"{where}: no template of block {block.kind!r} (known: {listing(TEMPLATES)})"
        )
    template = TEMPLATES.get(block.kind)
    unknown = [name for name in specs(type(block)) if name not in template.fields]
    if unknown:
        raise ExportError(f"{where}: the template of {block.kind} does not know {listing(unknown)}")
    return template


def block_calls(architecture: Architecture, task: Task | None = None) -> dict[int, BlockCall]:
    """Return the calls that construct all blocks, by the number of their stage, from 1.

    Raises:
        ExportError: There is no template for a block, or it does not support one of its fields.
    """
    placements: dict[str, dict[int, BlockPlacement]] = {}
    steps = backbone_steps(architecture, task)
    for number, (stage, step) in enumerate(zip(architecture.stages, steps, strict=True), start=1):
        if stage.block is not None:
            block_template(number, stage.block)  # refuses what it does not support
            placement = BlockPlacement(stage.width, stage.block, step.dilation)
            placements.setdefault(stage.kind, {})[number] = placement
    calls: dict[int, BlockCall] = {}
    for kind, of_kind in placements.items():
        calls |= TEMPLATES.get(kind).write(of_kind)
    return calls


def head_source(architecture: Architecture, task: Task) -> HeadSource:
    """Return the code of the head of a task.

    Raises:
        ExportError: There is no template for the head.
    """
    if task.kind not in HEAD_TEMPLATES:
        raise ExportError(
            f"the network cannot be written in PyTorch: no template of the head for {task.kind}"
            f" (known: {listing(HEAD_TEMPLATES)})"
        )
    taps = tapped(task, backbone_steps(architecture, task))
    widths = [architecture.stages[tap].width for tap in taps]
    return HEAD_TEMPLATES.get(task.kind)(fitted(task, architecture), widths, taps)
