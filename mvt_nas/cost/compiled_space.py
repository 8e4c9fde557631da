"""The lookup tables of all parts of a space's networks, and the look-ups that add them up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import IndexArray
from mvt_nas.cost.compilation import (
    StageTables,
    first_side_table,
    head_table,
    stage_tables,
    stem_table,
)
from mvt_nas.cost.head_costs import HeadCosts, StrideVariant
from mvt_nas.cost.tabulation import CostSettings, LookupTable
from mvt_nas.space.search_space import SearchSpace


class CompiledSpace:
    """The lookup tables of a space.

    Args:
        space: Search space to compile.
        settings: Costs that are tabulated.
        variant: Strides and taps of a task; ``None`` for classification.
    """

    def __init__(
        self, space: SearchSpace, settings: CostSettings, variant: StrideVariant | None
    ) -> None:
        self._settings = settings
        self._taps = () if variant is None else variant.taps
        self._stem = stem_table(space, settings, variant)
        self._first_side, sides = first_side_table(space, variant)
        self._stages: list[StageTables] = []
        self._sides: list[NDArray[np.int64]] = []
        for number in range(1, space.plan.stages + 1):
            tables, sides = stage_tables(space, settings, number, sides, variant)
            self._stages.append(tables)
            self._sides.append(np.array(sides))
        self._head: LookupTable | HeadCosts
        if variant is None:
            self._head = head_table(space, settings, sides)
        else:
            self._head = HeadCosts(space, settings, variant)

    def add_up(self, codes: IndexArray, sums: NDArray[Any], peak: NDArray[Any]) -> None:
        """Write the costs of n architectures into arrays.

        Args:
            codes: Codes of the architectures, (dimensions, n).
            sums: Filled with the sums, (n, sums).
            peak: Filled with the peaks of live elements, (n,).
        """
        entry = self._stem.look_up(codes)
        sums[:] = entry[:, :-2]
        peak[:] = entry[:, -2]
        side = self._first_side.look_up(codes)
        # Elements of maps that the head will read: they stay alive until then. The newest of them
        # is the input of the next stage, whose convolutions already count it as such; so it is
        # added to the kept ones only after those.
        kept: Any = 0.0
        newest: Any = 0.0
        tapped_sides: list[NDArray[Any]] = []
        for number, stage in enumerate(self._stages):
            _add(stage.convolutions.look_up(codes, side), sums, peak, kept)
            kept = kept + newest
            for outer, inner in stage.blocks:
                outer_costs = outer.look_up(codes, side)
                _add(outer_costs, sums, peak, kept)
                if inner is not None:
                    # While the inner part runs, the outer part's background is alive as well.
                    _add(inner.look_up(codes, side), sums, peak, outer_costs[:, -1] + kept)
            side = stage.next_side.look_up(codes, side)
            newest = 0.0
            if number in self._taps:
                tapped_sides.append(self._sides[number][side])
                newest = self._map_elements(codes, tapped_sides)
        self._add_head(codes, side, tapped_sides, sums, peak)

    def _map_elements(self, codes: IndexArray, tapped_sides: Sequence[NDArray[Any]]) -> Any:
        """Return the elements of the last of some tapped maps, (n,)."""
        assert isinstance(self._head, HeadCosts)
        width = self._head.width(len(tapped_sides) - 1, codes)
        return self._settings.batch_size * width * tapped_sides[-1] ** 2

    def _add_head(
        self,
        codes: IndexArray,
        side: IndexArray,
        tapped_sides: Sequence[NDArray[Any]],
        sums: NDArray[Any],
        peak: NDArray[Any],
    ) -> None:
        if isinstance(self._head, LookupTable):
            _add(self._head.look_up(codes, side), sums, peak, 0.0)
        else:
            # The kept maps are the inputs of the head, whose peak includes them.
            _add(self._head.costs(codes, tapped_sides), sums, peak, 0.0)


def _add(costs: NDArray[Any], sums: NDArray[Any], peak: NDArray[Any], background: Any) -> None:
    """Add the sums of a part, and raise the peak to the part's own on top of ``background``."""
    sums += costs[:, :-2]
    np.maximum(peak, costs[:, -2] + background, out=peak)
