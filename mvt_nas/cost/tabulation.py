"""Tabulating one part of a network over all choices that its costs depend on.

A part (the stem, the convolutions of a stage, the two segments of its block, the head) is a
function of few dimensions and of the side of the map that reaches it. It is lowered once per group
of choices that give the same kernels, with integer arrays for the widths, so that a table of a
hundred thousand entries costs a few hundred lowerings.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
"""What is always summed over the kernels. The columns of a table are these, the folds, the peak and
the background of live elements."""

_MOST_ENTRIES = 8_000_000

Lower = Callable[[int, int, dict[str, Any]], tuple[Graph, Sequence[GraphTensor]]]
"""``(batch_size, side, fields) -> (graph, tensors held to the end)``."""

Alike = Callable[[int, dict[str, Any]], Hashable]


@dataclass(frozen=True, slots=True)
class CostSettings:
    """How the networks are used, and what is summed over their kernels.

    Attributes:
        batch_size: images per inference.
        in_channels: channels of an image.
        num_classes: outputs of the classifier.
        folds: what is summed beside :data:`ADDITIVE`.
    """

    batch_size: int = 1
    in_channels: int = 3
    num_classes: int = 1000
    folds: tuple[KernelCost, ...] = ()

    @property
    def added(self) -> int:
        """The number of columns that are sums."""
        return len(ADDITIVE) + len(self.folds)

    @property
    def columns(self) -> int:
        """The number of all columns."""
        return self.added + 2


@dataclass(frozen=True, slots=True)
class TabulatedPart:
    """A tabulated part.

    Attributes:
        dimensions: of the space, on which it depends.
        strides: what one step of each adds to the index of an entry.
        cells: entries per side of the incoming map.
        table: (sides * cells, columns), float64, which holds integers up to 2**53 exactly.
    """

    dimensions: tuple[int, ...]
    strides: tuple[int, ...]
    cells: int
    table: NDArray[Any]

    def index(self, codes: NDArray[np.intp], side: NDArray[np.intp] | None) -> NDArray[np.intp]:
        """Return the entries of many rows, (n,), from their codes, (dimensions, n), and the indices of their sides."""
        index = np.zeros(codes.shape[1], dtype=np.intp) if side is None else side * self.cells
        for dimension, stride in zip(self.dimensions, self.strides, strict=True):
            index += codes[dimension] * stride if stride != 1 else codes[dimension]
        return index


@dataclass(frozen=True, slots=True)
class FieldReads:
    """What a part reads.

    Attributes:
        scalars: name to path, of fields that decide which kernels there are.
        arrays: name to path, of widths.
        repeat: name and path of a count of equal layers.
        present: path and value that must hold for the part to exist.
        same: two paths whose equality is one more scalar, called ``same``.
    """

    scalars: dict[str, str]
    arrays: dict[str, str]
    repeat: tuple[str, str] | None = None
    present: tuple[str, str] | None = None
    same: tuple[str, str] | None = None

    def paths(self) -> list[str]:
        """Return all paths that the part reads."""
        extra = [pair[1] for pair in (self.repeat,) if pair] + [
            pair[0] for pair in (self.present,) if pair
        ]
        return [*self.scalars.values(), *self.arrays.values(), *extra, *(self.same or ())]


def grid(
    space: SearchSpace, paths: Sequence[str], sides: int = 1
) -> tuple[tuple[int, ...], tuple[int, ...], Columns]:
    """Return the dimensions that decide some fields, their strides, and the fields over all combinations of their codes.

    Raises:
        SpaceError: there are too many combinations, times ``sides``, to tabulate.
    """
    dimensions = tuple(sorted(frozenset[int]().union(*(space.depends[path] for path in paths))))
    sizes = [len(space.dimensions[d].values) for d in dimensions]
    if prod(sizes) * sides > _MOST_ENTRIES:
        names = listing(space.dimensions[d].name for d in dimensions)
        raise SpaceError(
            f"{space.where}: {prod(sizes)} combinations of {names}, for {sides} sizes of the map,"
            f" are too many to tabulate; at most {_MOST_ENTRIES} (larger steps do it)"
        )
    strides = tuple(prod(sizes[index + 1 :]) for index in range(len(sizes)))
    return (
        dimensions,
        strides,
        Columns(space.plan, combinations(space.plan, dimensions), dimensions),
    )


def tabulate(
    space: SearchSpace,
    setting: CostSettings,
    fields: FieldReads,
    sides: Sequence[int],
    lower: Lower,
    alike: Alike | None = None,
) -> TabulatedPart:
    """Return the table of a part over its choices and the ``sides`` of the maps that may reach it.

    Args:
        space: whose part it is.
        setting: what is tabulated.
        fields: what the part reads.
        sides: of the maps that may reach it.
        lower: gives its kernels.
        alike: ``(side, fields)`` to a key; sides and scalars with the same key give the same
            kernels, which are then lowered once.
    """
    dimensions, strides, columns = grid(space, fields.paths(), len(sides))
    table = np.zeros((len(sides), len(columns), setting.columns))
    exists = np.ones(len(columns), dtype=bool)
    if fields.present:
        exists = columns.value(fields.present[0]) == fields.present[1]
    known: dict[Hashable, NDArray[Any]] = {}
    for group, (cells, values) in enumerate(_groups(columns, fields, np.flatnonzero(exists))):
        sizes = tuple(
            values[name].tobytes()
            for name in (*fields.arrays, *((fields.repeat[0],) if fields.repeat else ()))
        )
        for index, side in enumerate(sides):
            key = (alike(side, values), sizes) if alike else (group, side)
            if key not in known:
                known[key] = _costs(setting, fields, side, values, lower, len(cells))
            table[index, cells] = known[key]
    return TabulatedPart(dimensions, strides, len(columns), table.reshape(-1, setting.columns))


def _groups(
    columns: Columns, fields: FieldReads, cells: NDArray[np.intp]
) -> list[tuple[NDArray[np.intp], dict[str, Any]]]:
    """Return, for each combination of scalar fields, its cells and the values of all fields there."""
    if not len(cells):
        return []
    key = np.zeros(len(cells), dtype=np.int64)
    for path in fields.scalars.values():
        _, codes = np.unique(columns.value(path)[cells], return_inverse=True)
        codes = np.where(columns.active(path)[cells], codes + 1, 0)
        key = key * (int(codes.max()) + 1) + codes
    if fields.same:
        key = 2 * key + (columns.value(fields.same[0]) == columns.value(fields.same[1]))[cells]
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    result = []
    for members in np.split(cells[order], starts[1:]):
        first = members[0]
        values: dict[str, Any] = {
            n: columns.value(p)[first].item() if columns.active(p)[first] else None
            for n, p in fields.scalars.items()
        }
        values |= {
            name: columns.value(path)[members].astype(np.int64)
            for name, path in fields.arrays.items()
        }
        if fields.same:
            values["same"] = bool(
                columns.value(fields.same[0])[first] == columns.value(fields.same[1])[first]
            )
        if fields.repeat:
            values[fields.repeat[0]] = columns.value(fields.repeat[1])[members].astype(np.int64)
        result.append((members, values))
    return result


def _costs(
    setting: CostSettings,
    fields: FieldReads,
    side: int,
    values: dict[str, Any],
    lower: Lower,
    n: int,
) -> NDArray[Any]:
    """Return the costs of a group's cells, (n, columns)."""
    if fields.repeat is None:
        return folded(setting, side, values, lower, n)
    name = fields.repeat[0]
    one = folded(setting, side, values | {name: 1}, lower, n)
    two = folded(setting, side, values | {name: 2}, lower, n)
    repeats = values[name][:, None]
    result = np.where(repeats > 1, two, one)
    added = setting.added
    result[:, :added] = one[:, :added] + (repeats - 1) * (two - one)[:, :added]
    return result


def folded(
    setting: CostSettings, side: int, values: dict[str, Any], lower: Lower, n: int
) -> NDArray[Any]:
    """Return the sums, the peak and the background of a part, (n, columns); it is lowered once per batch size."""
    result = np.zeros((n, setting.columns))
    graph, held = lower(setting.batch_size, side, values)
    for index, name in enumerate(ADDITIVE):
        result[:, index] = total(graph.ops, name)
    graphs: dict[int, Graph] = {}
    for index, fold in enumerate(setting.folds, start=len(ADDITIVE)):
        batch_size = fold.batch_size or setting.batch_size
        if batch_size not in graphs:
            graphs[batch_size] = without_call(
                graph if batch_size == setting.batch_size else lower(batch_size, side, values)[0]
            )
        result[:, index] = fold.of(graphs[batch_size])
    peak, live = result[:, -2], live_elements(graph, held)
    for op, elements in zip(graph.ops, live, strict=True):
        if op.kind != "call":
            np.maximum(peak, elements, out=peak)
    result[:, -1] = background_elements(graph, None if held else live)
    return result
