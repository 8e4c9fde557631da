"""What a block tells the rest of the package about its lowering.

A block is lowered whole for one architecture, and in one or two :class:`Segment` parts when a cost
table is compiled: each part is a function of few fields, so that its costs can be tabulated over
all their values. The inner part stands where the outer one has a ``call``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from mvt_nas.blocks.graph import Graph, Tensor
from mvt_nas.registry import Registry


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a block that is tabulated by itself.

    Attributes:
        lower: ``(graph, x, **fields) -> Tensor``.
        scalars: fields that it takes as plain values, since they decide which kernels there are.
        arrays: fields that it takes as integers or integer arrays.
        repeat: a field that repeats equal layers: costs are linear in it, the peak is that of one
            or two.
        alike: ``(side, fields)`` to what of the side of ``x`` and the scalars decides on the
            kernels; without, all of them do.
    """

    lower: Callable[..., Tensor]
    scalars: tuple[str, ...]
    arrays: tuple[str, ...]
    repeat: str | None = None
    alike: Callable[[int, Mapping[str, Any]], Hashable] | None = None

    def key(self, side: int, fields: Mapping[str, Any]) -> Hashable:
        """Return what two inputs have in common that are lowered alike, sizes apart."""
        return (
            self.alike(side, fields)
            if self.alike
            else (side, *(fields[name] for name in self.scalars))
        )

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields that it reads."""
        return (*self.scalars, *self.arrays, *((self.repeat,) if self.repeat else ()))


@dataclass(frozen=True, slots=True)
class Lowering:
    """How a block lowers.

    Attributes:
        lower: ``(graph, x, width, config) -> Tensor``, the whole block; x and the result are (B,
            width, H, W).
        outer: the same as a segment; its ``x`` is (B, width, H, W).
        inner: the part in place of the outer's ``call``; its ``x`` is (B, dim, H, W) after
            :attr:`output_side`.
        output_side: ``(side, *fields) -> side`` of the block's output map, where it may grow.
        output_side_fields: the fields that it reads.
        held: ``(*fields) -> bool``: whether the outer part still needs the ``call``'s input after
            it.
        held_fields: the fields that it reads.
    """

    lower: Callable[[Graph, Tensor, int, Any], Tensor]
    outer: Segment
    inner: Segment | None = None
    output_side: Callable[..., int] | None = None
    output_side_fields: tuple[str, ...] = ()
    held: Callable[..., bool] | None = None
    held_fields: tuple[str, ...] = ()


LOWERINGS: Registry[Lowering] = Registry("block lowering", "mvt_nas.blocks", suffix="lowering")
"""The lowering of each block, by the block's name."""
