"""Compilation of a space: the lookup tables of each part that its networks have.

The side of the map that enters a part is a variable of its own. It depends on the resolution and,
where a patch that does not divide the map enlarges it, on all choices before. So each stage also
has a table of the side that leaves it. Sides are tabulated by their index in an ascending list.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mvt_nas.blocks.base import LOWERINGS, BlockPart, Lowering
from mvt_nas.blocks.graph import Graph
from mvt_nas.cost.head_costs import StrideVariant
from mvt_nas.cost.tabulation import (
    CostSettings,
    LookupTable,
    LoweredPart,
    PartFields,
    grid,
    tabulate,
)
from mvt_nas.models.lowering import lower_convolutions, lower_head, lower_stem
from mvt_nas.space.architecture import CONV
from mvt_nas.space.search_space import SearchSpace


@dataclass(frozen=True, slots=True)
class StageTables:
    """The lookup tables of a stage.

    Attributes:
        convolutions: Costs of its inverted residuals.
        blocks: Costs of the outer and the inner part of each block that it may hold.
        next_side: Index of the side that leaves the stage.
    """

    convolutions: LookupTable
    blocks: tuple[tuple[LookupTable, LookupTable | None], ...]
    next_side: LookupTable


def first_side_table(
    space: SearchSpace, variant: StrideVariant | None
) -> tuple[LookupTable, list[int]]:
    """Return the table of the index of the side after the stem, and those sides, ascending."""
    if variant is not None:
        only = LookupTable((), (), 1, np.zeros(1, dtype=np.intp))
        return only, [_halved(variant.task.resolution_px)]
    dimensions, strides, columns = grid(space, ["resolution_px"])
    after = _halved(columns.value("resolution_px"))
    sides = sorted({int(side) for side in after})
    table = LookupTable(dimensions, strides, len(columns), np.searchsorted(sides, after))
    return table, sides


def stem_table(
    space: SearchSpace, settings: CostSettings, variant: StrideVariant | None
) -> LookupTable:
    """Return the table of the stem's costs."""

    def build_graph(batch_size: int, _: int, fields: dict[str, Any]) -> LoweredPart:
        graph = Graph()
        side = fields["resolution_px"] if variant is None else variant.task.resolution_px
        images = graph.input(batch_size, settings.in_channels, side, side)
        lower_stem(graph, images, width=fields["width"])
        return graph, ()

    # The side of the images is a field of the architecture or of the task, so the table has one
    # entry for the side that enters the part, whatever it is.
    scalars = {"resolution_px": "resolution_px"} if variant is None else {}
    fields = PartFields(scalars, {"width": "stem.width"})
    return tabulate(space, settings, fields, [0], build_graph)


def head_table(space: SearchSpace, settings: CostSettings, sides: list[int]) -> LookupTable:
    """Return the table of the costs of the classifier's head."""

    def build_graph(batch_size: int, side: int, fields: dict[str, Any]) -> LoweredPart:
        graph = Graph()
        x = graph.input(batch_size, fields["width"], side, side)
        width = fields["head_width"] or None
        lower_head(graph, x, width=width, num_classes=settings.num_classes)
        return graph, ()

    last = f"stage{space.plan.stages}.width"
    fields = PartFields({"head_width": "head.width"}, {"width": last})
    return tabulate(space, settings, fields, sides, build_graph)


def stage_tables(
    space: SearchSpace,
    settings: CostSettings,
    number: int,
    sides: list[int],
    variant: StrideVariant | None,
) -> tuple[StageTables, list[int]]:
    """Return the tables of a stage, and the sides of the maps that may leave it, ascending.

    Args:
        space: Search space.
        settings: Costs that are tabulated.
        number: Number of the stage, from 1.
        sides: Sides of the maps that may enter it, ascending.
        variant: Strides and taps of a task; ``None`` for classification.
    """
    stride = None if variant is None else variant.stages[number - 1].stride
    stage = f"stage{number}"
    # The head reads the map of the stage before, so it stays alive beyond this stage. Taps count
    # stages from 0, ``number`` counts from 1.
    tapped = variant is not None and number - 2 in variant.taps
    values = grid(space, [f"{stage}.block"])[2].value(f"{stage}.block")
    kinds = [str(kind) for kind in np.unique(values) if kind != CONV]
    convolutions = _convolutions_table(space, settings, number, sides, stride, tapped)
    blocks = tuple(_block_tables(space, settings, stage, kind, sides, stride) for kind in kinds)
    next_side, after = _next_side_table(space, stage, kinds, sides, stride)
    return StageTables(convolutions, blocks, next_side), after


def _convolutions_table(
    space: SearchSpace,
    settings: CostSettings,
    number: int,
    sides: list[int],
    stride: int | None,
    keeps_input: bool,
) -> LookupTable:
    """Return the table of the costs of a stage's inverted residuals.

    A ``stride`` replaces the stage's own; ``keeps_input`` keeps their input alive to the end.
    """

    def build_graph(batch_size: int, side: int, fields: dict[str, Any]) -> LoweredPart:
        graph = Graph()
        x = graph.input(batch_size, fields["before"], side, side)
        step = stride or fields["stride"]
        lower_convolutions(
            graph,
            x,
            width=fields["width"],
            stride=step,
            depth=fields["depth"],
            expansion=fields["expansion"],
            first_adds=fields["same"] and step == 1,
        )
        return graph, (x,) if keeps_input else ()

    stage = f"stage{number}"
    before = "stem.width" if number == 1 else f"stage{number - 1}.width"
    fields = PartFields(
        scalars={name: f"{stage}.{name}" for name in ("stride", "expansion")},
        arrays={"before": before, "width": f"{stage}.width"},
        repeat=("depth", f"{stage}.depth"),
        same=(before, f"{stage}.width"),
    )
    return tabulate(space, settings, fields, sides, build_graph)


def _block_tables(
    space: SearchSpace,
    settings: CostSettings,
    stage: str,
    kind: str,
    sides: list[int],
    stride: int | None,
) -> tuple[LookupTable, LookupTable | None]:
    """Return the tables of a block's costs: those of its outer part, and of its inner one if any.

    ``sides`` are those that enter the stage, so both tables also read the stride.
    """
    lowering = LOWERINGS.get(kind)
    outer = _outer_table(space, settings, lowering, stage, kind, sides, stride)
    if lowering.inner is None:
        return outer, None
    return outer, _inner_table(space, settings, lowering, stage, kind, sides, stride)


def _outer_table(
    space: SearchSpace,
    settings: CostSettings,
    lowering: Lowering,
    stage: str,
    kind: str,
    sides: list[int],
    stride: int | None,
) -> LookupTable:
    part = lowering.outer

    def block_side(side: int, fields: dict[str, Any]) -> int:
        return _after_stride(side, stride or fields["stride"])

    def kernel_key(side: int, fields: dict[str, Any]) -> Hashable:
        return part.key(block_side(side, fields), fields)

    def build_graph(batch_size: int, side: int, fields: dict[str, Any]) -> LoweredPart:
        graph = Graph()
        side = block_side(side, fields)
        x = graph.input(batch_size, fields["width"], side, side)
        part.lower(graph, x, **{name: fields[name] for name in part.fields})
        return graph, ()

    fields = _part_fields(part, stage, kind, ())
    return tabulate(space, settings, fields, sides, build_graph, kernel_key)


def _inner_table(
    space: SearchSpace,
    settings: CostSettings,
    lowering: Lowering,
    stage: str,
    kind: str,
    sides: list[int],
    stride: int | None,
) -> LookupTable:
    part = lowering.inner
    assert part is not None

    def inner_side(side: int, fields: dict[str, Any]) -> int:
        return _output_side(lowering, fields, _after_stride(side, stride or fields["stride"]))

    def keeps_input(fields: dict[str, Any]) -> bool:
        if lowering.keeps_input is None:
            return False
        return lowering.keeps_input(*(fields[name] for name in lowering.keeps_input_fields))

    def kernel_key(side: int, fields: dict[str, Any]) -> Hashable:
        # A kept input changes no kernel, but it raises the peak.
        return part.key(inner_side(side, fields), fields), keeps_input(fields)

    def build_graph(batch_size: int, side: int, fields: dict[str, Any]) -> LoweredPart:
        graph = Graph()
        side = inner_side(side, fields)
        x = graph.input(batch_size, fields["dim"], side, side)
        part.lower(graph, x, **{name: fields[name] for name in part.fields})
        return graph, (x,) if keeps_input(fields) else ()

    extra = (*lowering.output_side_fields, *lowering.keeps_input_fields)
    fields = _part_fields(part, stage, kind, extra)
    return tabulate(space, settings, fields, sides, build_graph, kernel_key)


def _part_fields(part: BlockPart, stage: str, kind: str, extra: tuple[str, ...]) -> PartFields:
    """Return the fields that a part of a block reads, ``extra`` scalars and the stride included."""
    names = dict.fromkeys((*part.scalars, *extra, "stride"))
    return PartFields(
        scalars={name: f"{stage}.{name}" for name in names},
        arrays={name: f"{stage}.{name}" for name in part.arrays},
        repeat=(part.repeat, f"{stage}.{part.repeat}") if part.repeat else None,
        exists_if=(f"{stage}.block", kind),
    )


def _next_side_table(
    space: SearchSpace, stage: str, kinds: list[str], sides: list[int], stride: int | None
) -> tuple[LookupTable, list[int]]:
    """Return the table of the index of the side that leaves a stage, and those sides, ascending."""
    names = dict.fromkeys(["stride", "block"])
    for kind in kinds:
        names |= dict.fromkeys(LOWERINGS.get(kind).output_side_fields)
    dimensions, strides, columns = grid(space, [f"{stage}.{name}" for name in names], len(sides))
    values = {name: columns.value(f"{stage}.{name}") for name in names}
    after = np.empty((len(sides), len(columns)), dtype=np.int64)
    for cell in range(len(columns)):
        fields = {name: column[cell].item() for name, column in values.items()}
        for index, side in enumerate(sides):
            leaving = _after_stride(side, stride or fields["stride"])
            if fields["block"] != CONV:
                leaving = _output_side(LOWERINGS.get(fields["block"]), fields, leaving)
            after[index, cell] = leaving
    ascending = sorted({int(side) for side in after.ravel()})
    # Row-major order of (side, cell) is that of the positions in a lookup table.
    indices = np.searchsorted(ascending, after).ravel()
    return LookupTable(dimensions, strides, len(columns), indices), ascending


def _output_side(lowering: Lowering, fields: dict[str, Any], side: int) -> int:
    """Return the side of a block's output map for a side of its input map."""
    if lowering.output_side is None:
        return side
    return lowering.output_side(side, *(fields[name] for name in lowering.output_side_fields))


def _after_stride(side: int, stride: int) -> int:
    """Return the side of a map after a "same"-padded convolution: the quotient, rounded up."""
    return -(-side // stride)


def _halved(resolution_px: Any) -> Any:
    """Return the side of the map that leaves the stem, for numbers and arrays alike."""
    return -(-resolution_px // 2)
