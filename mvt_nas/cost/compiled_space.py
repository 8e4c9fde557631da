"""The tables of all parts of a space's networks, and the look-ups that add them up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas.cost.compilation import StageParts, first_side, head_part, stage_parts, stem_part
from mvt_nas.cost.tabulation import CostSettings, TabulatedPart
from mvt_nas.cost.task_costs import TaskHead, TaskUse
from mvt_nas.space.search_space import SearchSpace


class CompiledSpace:
    """The tables of a space.

    Args:
        space: what to compile.
        setting: how the networks are used.
        use: how a task uses them; ``None`` for classification.
    """

    def __init__(self, space: SearchSpace, setting: CostSettings, use: TaskUse | None) -> None:
        self._setting = setting
        self._taps = () if use is None else use.taps
        self._stem = stem_part(space, setting, use)
        self._first_side, sides = first_side(space, use)
        self._stages: list[StageParts] = []
        self._sides: list[NDArray[np.int64]] = []
        for number in range(1, space.plan.stages + 1):
            parts, sides = stage_parts(space, setting, number, sides, use)
            self._stages.append(parts)
            self._sides.append(np.array(sides))
        self._head = (
            head_part(space, setting, sides) if use is None else TaskHead(space, setting, use)
        )

    def fold(self, codes: NDArray[np.intp], sums: NDArray[Any], peak: NDArray[Any]) -> None:
        """Write the sums, (n, added), and the peaks of live elements, (n,), of architectures with codes, (dimensions, n)."""
        entry = self._stem.table[self._stem.index(codes, None)]
        sums[:], peak[:] = entry[:, :-2], entry[:, -2]
        side = self._first_side.table[self._first_side.index(codes, None)]
        held: Any = 0.0  # elements of maps that the head will read
        newest, tapped = held, list[NDArray[Any]]()
        for number, stage in enumerate(self._stages):
            _add(
                stage.convolutions, codes, side, sums, peak, held
            )  # the newest such map is their input
            held = held + newest
            for outer, inner in stage.blocks:
                background = _add(outer, codes, side, sums, peak, held)
                if inner is not None:
                    _add(inner, codes, side, sums, peak, background + held)
            side = stage.next_side.table[stage.next_side.index(codes, side)]
            newest = 0.0
            if number in self._taps:
                tapped.append(self._sides[number][side])
                newest = self._map_elements(codes, tapped)
        self._fold_head(codes, side, tapped, sums, peak)

    def _map_elements(self, codes: NDArray[np.intp], sides: Sequence[NDArray[Any]]) -> Any:
        """Return the elements of the last of some tapped maps, (n,)."""
        assert isinstance(self._head, TaskHead)
        return self._setting.batch_size * self._head.width(len(sides) - 1, codes) * sides[-1] ** 2

    def _fold_head(
        self,
        codes: NDArray[np.intp],
        side: NDArray[np.intp],
        tapped: Sequence[NDArray[Any]],
        sums: NDArray[Any],
        peak: NDArray[Any],
    ) -> None:
        if isinstance(self._head, TabulatedPart):
            _add(self._head, codes, side, sums, peak)
            return
        entry = self._head.costs(codes, tapped)
        sums += entry[:, :-2]
        np.maximum(peak, entry[:, -2], out=peak)


def _add(
    part: TabulatedPart,
    codes: NDArray[np.intp],
    side: NDArray[np.intp],
    sums: NDArray[Any],
    peak: NDArray[Any],
    background: Any = 0.0,
) -> NDArray[Any]:
    """Add a part's sums, raise the peak to its own above the ``background``; return the background that it gives an inner part."""
    entry = part.table.take(part.index(codes, side), axis=0)
    sums += entry[:, :-2]
    np.maximum(peak, entry[:, -2] + background, out=peak)
    result: NDArray[Any] = entry[:, -1]
    return result
