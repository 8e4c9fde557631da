"""Lookup tables over all choices that the costs of one part of a network depend on.

A part (the stem, the convolutions of a stage, the one or two parts of its block, the head) is a
function of few dimensions and of the side of the map that enters it. It is lowered once per group
of choices that give the same kernels, with integer arrays for the widths. A table of a hundred
thousand entries thus takes a few hundred lowerings.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import IndexArray
from mvt_nas.blocks.graph import Graph
from mvt_nas.blocks.graph import Tensor as GraphTensor
from mvt_nas.cost.reductions import (
    KernelCost,
    background_elements,
    live_elements,
    total,
    without_call,
)
from mvt_nas.errors import SpaceError, listing
from mvt_nas.space.columns import Columns
from mvt_nas.space.search_space import SearchSpace
from mvt_nas.space.validity import combinations

ADDITIVE = ("params", "macs")
"""The costs that are always summed over the kernels."""

_MOST_ENTRIES = 8_000_000

LoweredPart = tuple[Graph, Sequence[GraphTensor]]
"""The kernels of a part, and the tensors that stay alive until its end."""

GraphBuilder = Callable[[int, int, dict[str, Any]], LoweredPart]
"""``(batch_size, side, fields) -> LoweredPart``, which lowers a part for a side of its input."""

KernelKey = Callable[[int, dict[str, Any]], Hashable]
"""``(side, fields) -> key``; inputs with equal keys have the same kernels."""


@dataclass(frozen=True, slots=True)
class CostSettings:
    """Use of the networks, and the costs that are summed over their kernels.

    The columns of a table of costs are the sums (:data:`ADDITIVE`, then ``kernel_costs``), the peak
    of live elements, and the background: the elements that live while an inner part runs.

    Attributes:
        batch_size: Images per inference.
        in_channels: Channels of an image.
        num_classes: Outputs of the classifier.
        kernel_costs: Costs that are summed in addition to :data:`ADDITIVE`.
    """

    batch_size: int = 1
    in_channels: int = 3
    num_classes: int = 1000
    kernel_costs: tuple[KernelCost, ...] = ()

    @property
    def sums(self) -> int:
        """Number of columns that are sums."""
        return len(ADDITIVE) + len(self.kernel_costs)

    @property
    def columns(self) -> int:
        """Number of all columns."""
        return self.sums + 2


@dataclass(frozen=True, slots=True)
class LookupTable:
    """A table indexed by the codes of a few dimensions, and perhaps by the side of a map.

    The position of an entry is ``side * cells + sum(codes[dimension] * stride)``: the last
    dimension varies fastest, the side slowest.

    Attributes:
        dimensions: Dimensions of the space that the table depends on.
        strides: Step in the position per step of each dimension's code.
        cells: Number of combinations of codes, which is the number of entries per side.
        entries: The entries by position: (sides * cells, columns) of costs in float64, which holds
            integers up to 2**53 exactly; or (sides * cells,) of single values.
    """

    dimensions: tuple[int, ...]
    strides: tuple[int, ...]
    cells: int
    entries: NDArray[Any]

    def look_up(self, codes: IndexArray, side: IndexArray | None = None) -> NDArray[Any]:
        """Return the entries of n architectures, (n, ...).

        Args:
            codes: Codes of the architectures, (dimensions, n).
            side: Index of each architecture's side, (n,); ``None`` where the table has one side.
        """
        # take() copies whole rows; indexing by an array is several times as slow.
        return self.entries.take(self._positions(codes, side), axis=0)

    def _positions(self, codes: IndexArray, side: IndexArray | None) -> IndexArray:
        """Return the positions of the architectures' entries, (n,)."""
        n = codes.shape[1]
        positions = np.zeros(n, dtype=np.intp) if side is None else side * self.cells
        for dimension, stride in zip(self.dimensions, self.strides, strict=True):
            # A stride of 1 is common, and a multiplication costs as much as the addition.
            positions += codes[dimension] * stride if stride != 1 else codes[dimension]
        return positions


@dataclass(frozen=True, slots=True)
class PartFields:
    """The fields that a part of a network reads, by the names that its lowering uses.

    Attributes:
        scalars: Name to path of the fields that decide which kernels exist.
        arrays: Name to path of the widths.
        repeat: Name and path of a count of equal layers.
        exists_if: Path and value of the field that decides whether the part exists.
        same: Two paths whose equality is one more scalar, called ``same``.
    """

    scalars: dict[str, str]
    arrays: dict[str, str]
    repeat: tuple[str, str] | None = None
    exists_if: tuple[str, str] | None = None
    same: tuple[str, str] | None = None

    @property
    def sizes(self) -> dict[str, str]:
        """Name to path of all fields that the lowering takes as arrays."""
        return self.arrays | dict([self.repeat] if self.repeat else [])

    def paths(self) -> list[str]:
        """Return all paths that the part reads."""
        exists = [self.exists_if[0]] if self.exists_if else []
        return [*self.scalars.values(), *self.sizes.values(), *exists, *(self.same or ())]


def grid(
    space: SearchSpace, paths: Sequence[str], sides: int = 1
) -> tuple[tuple[int, ...], tuple[int, ...], Columns]:
    """Return all combinations of the choices that decide some fields.

    Args:
        space: The search space.
        paths: Paths of the fields.
        sides: Number of sides for which each combination will have an entry.

    Returns:
        The dimensions that decide the fields, their strides in a :class:`LookupTable`, and the
        fields over all combinations of the codes of these dimensions.

    Raises:
        SpaceError: There are too many combinations, times ``sides``, to tabulate.
    """
    dimensions = tuple(sorted(frozenset[int]().union(*(space.depends[path] for path in paths))))
    sizes = [len(space.dimensions[dimension].values) for dimension in dimensions]
    if prod(sizes) * sides > _MOST_ENTRIES:
        names = listing(space.dimensions[dimension].name for dimension in dimensions)
        raise SpaceError(
            f"{space.where}: {prod(sizes)} combinations of {names}, for {sides} sizes of the map,"
            f" are too many to tabulate; at most {_MOST_ENTRIES} (use larger steps)"
        )
    # Row-major order, the order of combinations().
    strides = tuple(prod(sizes[index + 1 :]) for index in range(len(sizes)))
    columns = Columns(space.plan, combinations(space.plan, dimensions), dimensions)
    return dimensions, strides, columns


def tabulate(
    space: SearchSpace,
    settings: CostSettings,
    fields: PartFields,
    sides: Sequence[int],
    build_graph: GraphBuilder,
    kernel_key: KernelKey | None = None,
) -> LookupTable:
    """Return the table of a part's costs over its choices and the sides of the maps that enter it.

    Args:
        space: Search space of the part.
        settings: Costs that are tabulated.
        fields: Fields that the part reads.
        sides: Sides of the maps that may enter the part.
        build_graph: Lowers the part.
        kernel_key: Key of a side and scalars; inputs with equal keys are lowered once. Without it,
            each side and each combination of scalars is lowered.
    """
    dimensions, strides, columns = grid(space, fields.paths(), len(sides))
    # Cells where the part does not exist keep costs of 0, so that they can always be added.
    table = np.zeros((len(sides), len(columns), settings.columns))
    exists = np.ones(len(columns), dtype=bool)
    if fields.exists_if:
        path, value = fields.exists_if
        exists = columns.value(path) == value
    known: dict[Hashable, NDArray[Any]] = {}
    for group, (cells, values) in enumerate(_groups(columns, fields, np.flatnonzero(exists))):
        # Two groups share their costs only if their widths agree cell by cell as well.
        sizes = tuple(values[name].tobytes() for name in fields.sizes)
        for index, side in enumerate(sides):
            key = (kernel_key(side, values), sizes) if kernel_key else (group, side)
            if key not in known:
                known[key] = _group_costs(settings, fields, side, values, build_graph, len(cells))
            table[index, cells] = known[key]
    return LookupTable(dimensions, strides, len(columns), table.reshape(-1, settings.columns))


def _groups(
    columns: Columns, fields: PartFields, cells: IndexArray
) -> list[tuple[IndexArray, dict[str, Any]]]:
    """Return the groups of cells with equal scalars: their cells, and the values of all fields.

    The values of scalars are plain values, ``None`` where the field is inactive; those of sizes are
    arrays with one integer per cell.
    """
    if not len(cells):
        return []
    key = _scalar_keys(columns, fields, cells)
    # A stable sort by key puts the cells of a group next to each other, in ascending order. A group
    # starts wherever the sorted key changes.
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    result = []
    for members in np.split(cells[order], starts[1:]):
        first = members[0]
        values: dict[str, Any] = {}
        for name, path in fields.scalars.items():
            active = columns.active(path)[first]
            values[name] = columns.value(path)[first].item() if active else None
        for name, path in fields.sizes.items():
            values[name] = columns.value(path)[members].astype(np.int64)
        if fields.same:
            one, other = fields.same
            values["same"] = bool(columns.value(one)[first] == columns.value(other)[first])
        result.append((members, values))
    return result


def _scalar_keys(columns: Columns, fields: PartFields, cells: IndexArray) -> NDArray[np.int64]:
    """Return one integer per cell, (cells,), equal where all scalars are equal."""
    key = np.zeros(len(cells), dtype=np.int64)
    for path in fields.scalars.values():
        # Each scalar is one digit of a number in mixed radix; digit 0 means "inactive".
        _, codes = np.unique(columns.value(path)[cells], return_inverse=True)
        digits = np.where(columns.active(path)[cells], codes + 1, 0)
        key = key * (int(digits.max()) + 1) + digits
    if fields.same:
        one, other = fields.same
        key = 2 * key + (columns.value(one) == columns.value(other))[cells]
    return key


def _group_costs(
    settings: CostSettings,
    fields: PartFields,
    side: int,
    values: dict[str, Any],
    build_graph: GraphBuilder,
    cells: int,
) -> NDArray[Any]:
    """Return the costs of the cells of a group, (cells, columns)."""
    if fields.repeat is None:
        return part_costs(settings, side, values, build_graph, cells)
    # The number of kernels depends on the repeats, so a lowering cannot take them as an array. Two
    # lowerings are enough: each further layer adds what the second one adds to the sums, and no
    # layer after the second raises the peak.
    name, _ = fields.repeat
    one = part_costs(settings, side, values | {name: 1}, build_graph, cells)
    two = part_costs(settings, side, values | {name: 2}, build_graph, cells)
    repeats = values[name][:, None]
    result = np.where(repeats > 1, two, one)
    sums = slice(settings.sums)
    result[:, sums] = one[:, sums] + (repeats - 1) * (two - one)[:, sums]
    return result


def part_costs(
    settings: CostSettings,
    side: int,
    values: dict[str, Any],
    build_graph: GraphBuilder,
    cells: int,
) -> NDArray[Any]:
    """Return the sums, the peak and the background of a part, (cells, columns).

    The part is lowered once per batch size, since a kernel cost may have its own.
    """
    result = np.zeros((cells, settings.columns))
    graph, held = build_graph(settings.batch_size, side, values)
    for column, name in enumerate(ADDITIVE):
        result[:, column] = total(graph.ops, name)
    graphs: dict[int, Graph] = {}
    for column, cost in enumerate(settings.kernel_costs, start=len(ADDITIVE)):
        batch_size = cost.batch_size or settings.batch_size
        if batch_size not in graphs:
            same = batch_size == settings.batch_size
            lowered = graph if same else build_graph(batch_size, side, values)[0]
            graphs[batch_size] = without_call(lowered)
        result[:, column] = cost.of(graphs[batch_size])
    peak = result[:, -2]
    live = live_elements(graph, held)
    for op, elements in zip(graph.ops, live, strict=True):
        # The inner part has a table with a peak of its own.
        if op.kind != "call":
            np.maximum(peak, elements, out=peak)
    # The background does not include held tensors; where there are some, it is computed without.
    result[:, -1] = background_elements(graph, None if held else live)
    return result
