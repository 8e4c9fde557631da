"""Compiling a space: which parts its networks have, and the tables of their costs.

The side of the map that reaches a part is a number of its own: it depends on the resolution and,
where a patch that does not divide enlarges the map, on all choices before. So each stage also
tabulates which side leaves it.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas.blocks.base import LOWERINGS, Lowering, Segment
from mvt_nas.blocks.graph import Graph
from mvt_nas.blocks.graph import Tensor as GraphTensor
from mvt_nas.cost.tabulation import CostSettings, FieldReads, TabulatedPart, grid, tabulate
from mvt_nas.cost.task_costs import TaskUse
from mvt_nas.models.lowering import lower_convolutions, lower_head, lower_stem
from mvt_nas.space.architecture import CONV
from mvt_nas.space.search_space import SearchSpace

Lowered = tuple[Graph, tuple[GraphTensor, ...]]


@dataclass(frozen=True, slots=True)
class StageParts:
    """The tables of a stage.

    Attributes:
        convolutions: its inverted residuals.
        blocks: outer and inner part of each block that it may hold.
        next_side: one column, the index of the side that leaves the stage.
    """

    convolutions: TabulatedPart
    blocks: tuple[tuple[TabulatedPart, TabulatedPart | None], ...]
    next_side: TabulatedPart


def first_side(space: SearchSpace, use: TaskUse | None) -> tuple[TabulatedPart, list[int]]:
    """Return the index of the side that leaves the stem, and those sides."""
    if use is not None:
        return TabulatedPart((), (), 1, np.zeros(1, dtype=np.intp)), [
            -(-use.task.resolution_px // 2)
        ]
    dimensions, strides, columns = grid(space, ["resolution_px"])
    after = -(-columns.value("resolution_px") // 2)
    sides = sorted({int(side) for side in after})
    return TabulatedPart(dimensions, strides, len(columns), np.searchsorted(sides, after)), sides


def stem_part(space: SearchSpace, setting: CostSettings, use: TaskUse | None) -> TabulatedPart:
    """Return the table of the stem."""

    def lower(batch_size: int, _: int, fields: dict[str, Any]) -> Lowered:
        graph, side = Graph(), fields["resolution_px"] if use is None else use.task.resolution_px
        lower_stem(
            graph, graph.input(batch_size, setting.in_channels, side, side), width=fields["width"]
        )
        return graph, ()

    scalars = {"resolution_px": "resolution_px"} if use is None else {}
    return tabulate(space, setting, FieldReads(scalars, {"width": "stem.width"}), [0], lower)


def head_part(space: SearchSpace, setting: CostSettings, sides: list[int]) -> TabulatedPart:
    """Return the table of the head."""

    def lower(batch_size: int, side: int, fields: dict[str, Any]) -> Lowered:
        graph = Graph()
        x = graph.input(batch_size, fields["width"], side, side)
        lower_head(graph, x, width=fields["head_width"] or None, num_classes=setting.num_classes)
        return graph, ()

    last = f"stage{space.plan.stages}.width"
    return tabulate(
        space, setting, FieldReads({"head_width": "head.width"}, {"width": last}), sides, lower
    )


def stage_parts(
    space: SearchSpace, setting: CostSettings, number: int, sides: list[int], use: TaskUse | None
) -> tuple[StageParts, list[int]]:
    """Return the tables of a stage, and the sides of the maps that may leave it."""
    stride = None if use is None else use.steps[number - 1].stride
    scope = f"stage{number}"
    before = "stem.width" if number == 1 else f"stage{number - 1}.width"
    kinds = [str(kind) for kind in np.unique(_all_values(space, f"{scope}.block")) if kind != CONV]
    holds = use is not None and number - 2 in use.taps
    convolutions = _convolutions_part(space, setting, scope, before, sides, stride, holds)
    blocks = tuple(_block_parts(space, setting, scope, kind, sides, stride) for kind in kinds)
    next_side, after = _next_side(space, scope, kinds, sides, stride)
    return StageParts(convolutions, blocks, next_side), after


def _all_values(space: SearchSpace, path: str) -> NDArray[Any]:
    return grid(space, [path])[2].value(path)


def _convolutions_part(
    space: SearchSpace,
    setting: CostSettings,
    scope: str,
    before: str,
    sides: list[int],
    stride: int | None,
    holds: bool,
) -> TabulatedPart:
    """Return the table of a stage's inverted residuals; ``stride`` stands for the stage's own, ``holds`` keeps their input alive."""

    def lower(batch_size: int, side: int, fields: dict[str, Any]) -> Lowered:
        graph = Graph()
        x = graph.input(batch_size, fields["before"], side, side)
        step = stride or fields["stride"]
        choices = {name: fields[name] for name in ("width", "depth", "expansion")}
        lower_convolutions(
            graph, x, stride=step, first_adds=fields["same"] and step == 1, **choices
        )
        return graph, (x,) if holds else ()

    scalars = {name: f"{scope}.{name}" for name in ("stride", "expansion")}
    arrays = {"before": before, "width": f"{scope}.width"}
    return tabulate(
        space,
        setting,
        FieldReads(scalars, arrays, ("depth", f"{scope}.depth"), same=(before, f"{scope}.width")),
        sides,
        lower,
    )


def _block_parts(
    space: SearchSpace,
    setting: CostSettings,
    scope: str,
    kind: str,
    sides: list[int],
    stride: int | None,
) -> tuple[TabulatedPart, TabulatedPart | None]:
    lowering = LOWERINGS.get(kind)

    def outer_side(side: int, fields: dict[str, Any]) -> int:
        return int(-(-side // (stride or fields["stride"])))

    def inner_side(side: int, fields: dict[str, Any]) -> int:
        return _grown(lowering, fields, outer_side(side, fields))

    def is_held(fields: dict[str, Any]) -> bool:
        return lowering.held is not None and lowering.held(
            *(fields[name] for name in lowering.held_fields)
        )

    def outer_key(side: int, fields: dict[str, Any]) -> Hashable:
        return lowering.outer.key(outer_side(side, fields), fields)

    def inner_key(side: int, fields: dict[str, Any]) -> Hashable:
        assert lowering.inner is not None
        return lowering.inner.key(inner_side(side, fields), fields), is_held(fields)

    def outer(batch_size: int, side: int, fields: dict[str, Any]) -> Lowered:
        graph, side = Graph(), outer_side(side, fields)
        choices = {name: fields[name] for name in lowering.outer.fields}
        lowering.outer.lower(graph, graph.input(batch_size, fields["width"], side, side), **choices)
        return graph, ()

    def inner(batch_size: int, side: int, fields: dict[str, Any]) -> Lowered:
        assert lowering.inner is not None
        graph, side = Graph(), inner_side(side, fields)
        x = graph.input(batch_size, fields["dim"], side, side)
        lowering.inner.lower(graph, x, **{name: fields[name] for name in lowering.inner.fields})
        return graph, (x,) if is_held(fields) else ()

    part = tabulate(
        space, setting, _segment_fields(lowering.outer, scope, kind, ()), sides, outer, outer_key
    )
    if lowering.inner is None:
        return part, None
    fields = _segment_fields(
        lowering.inner, scope, kind, (*lowering.output_side_fields, *lowering.held_fields)
    )
    return part, tabulate(space, setting, fields, sides, inner, inner_key)


def _segment_fields(segment: Segment, scope: str, kind: str, extra: tuple[str, ...]) -> FieldReads:
    scalars = {
        name: f"{scope}.{name}" for name in dict.fromkeys((*segment.scalars, *extra, "stride"))
    }
    arrays = {name: f"{scope}.{name}" for name in dict.fromkeys((*segment.arrays,))}
    repeat = (segment.repeat, f"{scope}.{segment.repeat}") if segment.repeat else None
    return FieldReads(scalars, arrays, repeat, present=(f"{scope}.block", kind))


def _grown(lowering: Lowering, fields: dict[str, Any], side: int) -> int:
    if lowering.output_side is None:
        return side
    return lowering.output_side(side, *(fields[name] for name in lowering.output_side_fields))


def _next_side(
    space: SearchSpace, scope: str, kinds: list[str], sides: list[int], stride: int | None
) -> tuple[TabulatedPart, list[int]]:
    """Return the table of the side that leaves a stage, and those sides, ascending."""
    fields = {kind: LOWERINGS.get(kind).output_side_fields for kind in kinds}
    names = dict.fromkeys(
        ["stride", "block", *(name for group in fields.values() for name in group)]
    )
    dimensions, strides, columns = grid(space, [f"{scope}.{name}" for name in names], len(sides))
    values = {name: columns.value(f"{scope}.{name}") for name in names}
    after = np.empty((len(sides), len(columns)), dtype=np.int64)
    for cell in range(len(columns)):
        here = {name: column[cell].item() for name, column in values.items()}
        kind = here["block"]
        for index, side in enumerate(sides):
            halved = -(-side // (stride or here["stride"]))
            after[index, cell] = (
                halved if kind == CONV else _grown(LOWERINGS.get(kind), here, halved)
            )
    leaving = sorted({int(side) for side in after.ravel()})
    return (
        TabulatedPart(dimensions, strides, len(columns), np.searchsorted(leaving, after).ravel()),
        leaving,
    )
