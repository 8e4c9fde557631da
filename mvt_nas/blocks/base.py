"""The interface between a block's lowering and the rest of the package.

A block is lowered whole for one architecture. When a cost table is compiled, it is lowered in one
or two :class:`BlockPart` pieces. Each is a function of few fields, so that its costs can be
tabulated over all values of these fields. The inner part replaces the ``call`` kernel of the outer
one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from mvt_nas.blocks.graph import Graph, Tensor
from mvt_nas.registry import Registry


@dataclass(frozen=True, slots=True)
class BlockPart:
    """A part of a block whose costs are tabulated separately.

    Attributes:
        lower: ``(graph, x, **fields) -> Tensor``, which appends the kernels of the part.
        scalars: Names of the fields passed as plain values, since they decide which kernels exist.
        arrays: Names of the fields passed as integers or integer arrays.
        repeat: Name of a field that counts equal layers. All sums are linear in it; the peak is
            that of one layer, or of two.
        kernel_key: ``(side, fields) -> key``. Inputs with equal keys have the same kernels. Without
            it, the key is the side of ``x`` and all scalars.
    """

    lower: Callable[..., Tensor]
    scalars: tuple[str, ...]
    arrays: tuple[str, ...]
    repeat: str | None = None
    kernel_key: Callable[[int, Mapping[str, Any]], Hashable] | None = None

    def key(self, side: int, fields: Mapping[str, Any]) -> Hashable:
        """Return a key that is equal for inputs with the same kernels, apart from widths.

        Args:
            side: Side of the map that enters the part.
            fields: Values of the fields by name.
        """
        if self.kernel_key is not None:
            return self.kernel_key(side, fields)
        return (side, *(fields[name] for name in self.scalars))

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of all fields that the part reads."""
        repeat = (self.repeat,) if self.repeat else ()
        return (*self.scalars, *self.arrays, *repeat)


@dataclass(frozen=True, slots=True)
class Lowering:
    """The lowering of a block, whole and in parts.

    Attributes:
        lower: ``(graph, x, width, config) -> Tensor``, which appends the kernels of the whole
            block; x and the result are (B, width, H, W).
        outer: The block with a ``call`` kernel in place of the inner part; its ``x`` is
            (B, width, H, W).
        inner: The part in place of the outer part's ``call``; its ``x`` is (B, dim, H, W) after
            :attr:`output_side`.
        output_side: ``(side, *fields) -> side`` of the block's output map, for a block that may
            enlarge its map.
        output_side_fields: Names of the fields that ``output_side`` reads.
        keeps_input: ``(*fields) -> bool``: true if the outer part still needs the input of its
            ``call`` after it.
        keeps_input_fields: Names of the fields that ``keeps_input`` reads.
    """

    lower: Callable[[Graph, Tensor, int, Any], Tensor]
    outer: BlockPart
    inner: BlockPart | None = None
    output_side: Callable[..., int] | None = None
    output_side_fields: tuple[str, ...] = ()
    keeps_input: Callable[..., bool] | None = None
    keeps_input_fields: tuple[str, ...] = ()


LOWERINGS: Registry[Lowering] = Registry("block lowering", "mvt_nas.blocks", suffix="lowering")
"""The lowering of each block, by the block's name."""
