"""How a task uses the networks of a space: which maps its head reads, and what the head costs on them.

The head reads few things of an architecture: widths and sides of its maps, the last block's
attention. So its costs are tabulated over all widths, for each attention and each combination of
sides when it is first met.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas.blocks.graph import Graph
from mvt_nas.cost.tabulation import CostSettings, TabulatedPart, folded, grid
from mvt_nas.errors import SpaceError
from mvt_nas.models.lowering import tapped
from mvt_nas.space.search_space import SearchSpace
from mvt_nas.tasks.base import HEADS, Task
from mvt_nas.tasks.strides import StageStride, steps

_RADIX = 1 << 14
"""More than any width or side."""

_MOST_VARIANTS = 32


@dataclass(frozen=True, slots=True)
class TaskUse:
    """How a task uses the stages of a space.

    Attributes:
        task: the task.
        steps: what each stage does to the map.
        taps: numbers of the stages, from 0, whose maps the head reads.
    """

    task: Task
    steps: tuple[StageStride, ...]
    taps: tuple[int, ...]


def task_uses(space: SearchSpace, task: Task) -> list[TaskUse]:
    """Return how a task uses the networks of a space, for each combination of strides that their stages may have.

    Raises:
        SpaceError: there are too many combinations.
        ArchitectureError: the backbones have no such maps.
    """
    found = []
    for strides in _combinations(space)[0]:
        plan = tuple(steps(strides, task.largest_stride))
        found.append(TaskUse(task, plan, tapped(task, plan)))
    return found


def variants(space: SearchSpace) -> TabulatedPart:
    """Return the number of each architecture's combination of strides among those of :func:`uses`."""
    return _combinations(space)[1]


def _combinations(space: SearchSpace) -> tuple[list[tuple[int, ...]], TabulatedPart]:
    paths = [f"stage{number}.stride" for number in range(1, space.plan.stages + 1)]
    dimensions, strides, columns = grid(space, paths)
    rows = np.stack([columns.value(path) for path in paths], axis=1)
    found, number = np.unique(rows, axis=0, return_inverse=True)
    if len(found) > _MOST_VARIANTS:
        raise SpaceError(
            f"{space.where}: {len(found)} combinations of strides are too many for a task; at most"
            f" {_MOST_VARIANTS}"
        )
    return [tuple(int(stride) for stride in row) for row in found], TabulatedPart(
        dimensions, strides, len(columns), number.reshape(-1)
    )


class TaskHead:
    """The costs of a task's head for encoded architectures.

    Args:
        space: the space.
        setting: what is summed.
        use: how the task uses the space.
    """

    def __init__(self, space: SearchSpace, setting: CostSettings, use: TaskUse) -> None:
        self._setting = setting
        self._use = use
        self._widths = [_values(space, f"stage{tap + 1}.width") for tap in use.taps]
        self._distinct = [np.unique(part.table).astype(np.int64) for part in self._widths]
        self._attentions, self._attention = _attention(space)
        self._tables: dict[int, NDArray[np.float64]] = {}

    def width(self, tap: int, codes: NDArray[np.intp]) -> NDArray[Any]:
        """Return the channels of a tapped map, (n,), from codes, (dimensions, n); ``tap`` counts the taps."""
        part = self._widths[tap]
        found: NDArray[Any] = part.table[part.index(codes, None)]
        return found

    def costs(self, codes: NDArray[np.intp], sides: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        """Return the head's row of costs for each architecture, (n, columns); ``sides`` are those of its maps, each (n,)."""
        cells, keys = (
            np.zeros(codes.shape[1], dtype=np.intp),
            self._attention.table[self._attention.index(codes, None)],
        )
        for tap, (distinct, side) in enumerate(zip(self._distinct, sides, strict=True)):
            cells = cells * len(distinct) + np.searchsorted(distinct, self.width(tap, codes))
            keys = keys * _RADIX + side
        result = np.empty((codes.shape[1], self._setting.columns))
        for key in np.unique(keys).tolist():
            members = np.flatnonzero(keys == key)
            result[members] = self._table(key)[cells[members]]
        return result

    def _table(self, key: int) -> NDArray[np.float64]:
        """Return the costs for all widths at one attention and one side of each map.

        All widths are lowered together, whichever of them is asked about, so that no value depends
        on the others that are.
        """
        if key not in self._tables:
            sides, attention = list[int](), key
            for _ in self._use.taps:
                attention, side = divmod(attention, _RADIX)
                sides.insert(0, side)
            widths = [grid.ravel() for grid in np.meshgrid(*self._distinct, indexing="ij")]
            self._tables[key] = self._lowered(attention, widths, sides)
        return self._tables[key]

    def _lowered(
        self, attention: int, widths: Sequence[NDArray[np.int64]], sides: Sequence[int]
    ) -> NDArray[np.float64]:
        task = self._use.task.fitted(self._attentions[attention])

        def lower(batch_size: int, _: int, fields: dict[str, Any]) -> tuple[Graph, tuple[()]]:
            graph = Graph()
            maps = [
                graph.input(batch_size, width, side, side)
                for width, side in zip(fields["widths"], sides, strict=True)
            ]
            HEADS.get(task.kind).lower(graph, maps, task)
            return graph, ()

        return folded(self._setting, 0, {"widths": widths}, lower, len(widths[0]))


def _values(space: SearchSpace, path: str) -> TabulatedPart:
    dimensions, strides, columns = grid(space, [path])
    return TabulatedPart(dimensions, strides, len(columns), columns.value(path))


def _attention(space: SearchSpace) -> tuple[list[str | None], TabulatedPart]:
    """Return the attentions that the last stage's block may have, and the index of each architecture's."""
    last = f"stage{space.plan.stages}"
    path = f"{last}.attention"
    if path not in space.plan.nodes:
        return [None], TabulatedPart((), (), 1, np.zeros(1, dtype=np.int64))
    dimensions, strides, columns = grid(space, [path, f"{last}.block"])
    listed = columns.listed(path)
    found = list(dict.fromkeys(listed))
    return found, TabulatedPart(
        dimensions,
        strides,
        len(columns),
        np.array([found.index(one) for one in listed], dtype=np.int64),
    )
