"""Use of a space's networks by a task: strides, maps that the head reads, and the head's costs.

The head reads few things of an architecture: widths and sides of its maps, and the attention of the
last block. So its costs are tabulated over all widths. A table is made for each attention and each
combination of sides when it is first needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import FloatArray, IndexArray
from mvt_nas.blocks.graph import Graph
from mvt_nas.cost.tabulation import CostSettings, LookupTable, LoweredPart, grid, part_costs
from mvt_nas.errors import SpaceError
from mvt_nas.models.lowering import tapped
from mvt_nas.space.search_space import SearchSpace
from mvt_nas.tasks.base import HEADS, Task
from mvt_nas.tasks.strides import StageStride, steps

_RADIX = 1 << 14
"""A number larger than any width or side."""

_MOST_VARIANTS = 32


@dataclass(frozen=True, slots=True)
class StrideVariant:
    """One combination of strides that the stages of a space may have, as a task uses it.

    Attributes:
        task: The task.
        stages: Stride, dilation and reduction of each stage in the task's network.
        taps: Numbers of the stages, from 0, whose maps the head reads.
    """

    task: Task
    stages: tuple[StageStride, ...]
    taps: tuple[int, ...]


def stride_variants(space: SearchSpace, task: Task) -> list[StrideVariant]:
    """Return one variant for each combination of strides that the stages may have.

    Raises:
        SpaceError: There are too many combinations.
        ArchitectureError: The backbones do not have the maps that the head reads.
    """
    found = []
    for strides in _combinations(space)[0]:
        stages = tuple(steps(strides, task.largest_stride))
        found.append(StrideVariant(task, stages, tapped(task, stages)))
    return found


def stride_variant_indices(space: SearchSpace) -> LookupTable:
    """Return the table of each architecture's position in :func:`stride_variants`."""
    return _combinations(space)[1]


def _combinations(space: SearchSpace) -> tuple[list[tuple[int, ...]], LookupTable]:
    """Return the combinations of strides, and the table of each architecture's position in them."""
    paths = [f"stage{number}.stride" for number in range(1, space.plan.stages + 1)]
    dimensions, table_strides, columns = grid(space, paths)
    rows = np.stack([columns.value(path) for path in paths], axis=1)
    found, numbers = np.unique(rows, axis=0, return_inverse=True)
    if len(found) > _MOST_VARIANTS:
        raise SpaceError(
            f"{space.where}: {len(found)} combinations of strides are too many for a task; at most"
            f" {_MOST_VARIANTS}"
        )
    table = LookupTable(dimensions, table_strides, len(columns), numbers.reshape(-1))
    return [tuple(int(stride) for stride in row) for row in found], table


class HeadCosts:
    """The costs of a task's head for encoded architectures.

    Args:
        space: Search space.
        settings: Costs that are tabulated.
        variant: Strides and taps of the task.
    """

    def __init__(self, space: SearchSpace, settings: CostSettings, variant: StrideVariant) -> None:
        self._settings = settings
        self._variant = variant
        self._widths = [_values_table(space, f"stage{tap + 1}.width") for tap in variant.taps]
        self._distinct = [np.unique(table.entries).astype(np.int64) for table in self._widths]
        self._attentions, self._attention = _attention_table(space)
        self._tables: dict[int, FloatArray] = {}

    def width(self, tap: int, codes: IndexArray) -> NDArray[Any]:
        """Return the channels of a tapped map, (n,).

        Args:
            tap: Position of the map among those that the head reads.
            codes: Codes of the architectures, (dimensions, n).
        """
        return self._widths[tap].look_up(codes)

    def costs(self, codes: IndexArray, sides: Sequence[NDArray[Any]]) -> FloatArray:
        """Return the head's costs for each architecture, (n, columns).

        Args:
            codes: Codes of the architectures, (dimensions, n).
            sides: Sides of the maps that the head reads, each (n,).
        """
        # ``keys`` says which table: a number of radix 2**14 whose digits are the attention and the
        # side of each map. ``cells`` says which entry of it: a number in mixed radix whose digits
        # are the positions of the widths among all that occur.
        keys = self._attention.look_up(codes)
        cells = np.zeros(codes.shape[1], dtype=np.intp)
        for tap, (distinct, side) in enumerate(zip(self._distinct, sides, strict=True)):
            cells = cells * len(distinct) + np.searchsorted(distinct, self.width(tap, codes))
            keys = keys * _RADIX + side
        result = np.empty((codes.shape[1], self._settings.columns))
        for key in np.unique(keys).tolist():
            members = np.flatnonzero(keys == key)
            result[members] = self._table(key)[cells[members]]
        return result

    def _table(self, key: int) -> FloatArray:
        """Return the costs for all widths at one attention and one side of each map.

        All widths are lowered together, whichever of them are needed, so that no value depends on
        the architectures that are evaluated.
        """
        if key not in self._tables:
            sides: list[int] = []
            attention = key
            # The digits come off in reverse order: the last map's side first.
            for _ in self._variant.taps:
                attention, side = divmod(attention, _RADIX)
                sides.insert(0, side)
            # Row-major order, as ``cells`` in costs().
            widths = [axis.ravel() for axis in np.meshgrid(*self._distinct, indexing="ij")]
            self._tables[key] = self._head_costs(attention, widths, sides)
        return self._tables[key]

    def _head_costs(
        self, attention: int, widths: Sequence[NDArray[np.int64]], sides: Sequence[int]
    ) -> FloatArray:
        """Return the costs of the head, (cells, columns), for widths of the maps, each (cells,)."""
        task = self._variant.task.fitted(self._attentions[attention])

        def build_graph(batch_size: int, _: int, fields: dict[str, Any]) -> LoweredPart:
            graph = Graph()
            maps = [
                graph.input(batch_size, width, side, side)
                for width, side in zip(fields["widths"], sides, strict=True)
            ]
            HEADS.get(task.kind).lower(graph, maps, task)
            return graph, ()

        return part_costs(self._settings, 0, {"widths": widths}, build_graph, len(widths[0]))


def _values_table(space: SearchSpace, path: str) -> LookupTable:
    """Return the table of the values of a field."""
    dimensions, strides, columns = grid(space, [path])
    return LookupTable(dimensions, strides, len(columns), columns.value(path))


def _attention_table(space: SearchSpace) -> tuple[list[str | None], LookupTable]:
    """Return the attentions that the last block may have, and the table of their indices."""
    last = f"stage{space.plan.stages}"
    path = f"{last}.attention"
    if path not in space.plan.nodes:
        return [None], LookupTable((), (), 1, np.zeros(1, dtype=np.int64))
    dimensions, strides, columns = grid(space, [path, f"{last}.block"])
    attentions = columns.listed(path)
    distinct = list(dict.fromkeys(attentions))
    indices = np.array([distinct.index(attention) for attention in attentions], dtype=np.int64)
    return distinct, LookupTable(dimensions, strides, len(columns), indices)
