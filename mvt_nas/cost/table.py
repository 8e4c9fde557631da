"""The costs of a million encoded architectures a second, exactly those of the lowering.

The parts of a network in which its costs are sums and maxima are tabulated once (see ``compile.py``); an architecture then costs a few
look-ups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mvt_nas.cost.compile import StageParts, first_side, head_part, stage_parts, stem_part
from mvt_nas.cost.folds import BYTES, Fold
from mvt_nas.cost.names import COST_NAMES
from mvt_nas.cost.parts import ADDITIVE, Part, Setting
from mvt_nas.errors import MetricError, listing, nearest
from mvt_nas.lowering import check_use
from mvt_nas.space.search_space import SearchSpace

_CHUNK = 8192


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs of n architectures; also readable by name, ``costs["macs"]``.

    Attributes:
        params: trainable parameters, (n,), int64.
        macs: multiply-adds of the batch, (n,), int64.
        memory_bytes: peak of live activations, (n,), int64.
        folded: the costs of the table's folds by name, each (n,), float64.
    """

    params: NDArray[np.int64]
    macs: NDArray[np.int64]
    memory_bytes: NDArray[np.int64]
    folded: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def memory_mb(self) -> NDArray[np.float64]:
        """Peak of live activations in megabytes of 10**6 bytes, (n,)."""
        return self.memory_bytes / 1e6

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name in self.folded:
            return self.folded[name]
        if name not in (*COST_NAMES, "memory_bytes"):
            known = (*COST_NAMES, *self.folded)
            raise MetricError(f"unknown cost {name!r}{nearest(name, known)} (known: {listing(known)})")
        result: NDArray[Any] = getattr(self, name)
        return result


class CostTable:
    """The compiled costs of a space.

    Args:
        space: what to compile.
        batch_size: images per inference.
        in_channels: channels of an image.
        num_classes: outputs of the classifier.
        folds: further costs that are sums over the kernels, such as predicted latencies.

    Attributes:
        space: as given.
        num_classes: as given.
        names: of all costs that it knows.

    Raises:
        SpaceError: a part depends on more choices than can be tabulated.
        ArchitectureError: a number of images, channels or classes that is not allowed.
    """

    def __init__(
        self, space: SearchSpace, *, batch_size: int = 1, in_channels: int = 3, num_classes: int = 1000, folds: Sequence[Fold] = ()
    ) -> None:
        check_use(batch_size=batch_size, in_channels=in_channels, num_classes=num_classes)
        setting = Setting(batch_size, in_channels, num_classes, tuple(folds))
        self.space = space
        self.num_classes = num_classes
        self.names = (*COST_NAMES, *(fold.name for fold in folds))
        self._setting = setting
        self._stem = stem_part(space, setting)
        self._first_side, sides = first_side(space)
        self._stages: list[StageParts] = []
        for number in range(1, space.plan.stages + 1):
            parts, sides = stage_parts(space, setting, number, sides)
            self._stages.append(parts)
        self._head = head_part(space, setting, sides)

    def costs(self, rows: ArrayLike) -> Costs:
        """Return the costs of encoded architectures, (n, dimensions); rows need not be canonical, rules are not looked at.

        Raises:
            SpaceError: a row has another length, or a code out of range.
        """
        array = self.space.checked(rows)
        sums = np.empty((len(array), self._setting.added))
        peak = np.empty(len(array))
        for start in range(0, len(array), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            self._fold(np.ascontiguousarray(array[chunk].T, dtype=np.intp), sums[chunk], peak[chunk])
        params, macs = (sums[:, index].astype(np.int64) for index in range(len(ADDITIVE)))
        folds = enumerate(self._setting.folds, start=len(ADDITIVE))
        return Costs(params, macs, BYTES * peak.astype(np.int64), {fold.name: sums[:, index] + fold.fixed for index, fold in folds})

    def _fold(self, codes: NDArray[np.intp], sums: NDArray[Any], peak: NDArray[Any]) -> None:
        """Write the sums and the peak of live elements of one chunk."""
        entry = self._stem.table[self._stem.index(codes, None)]
        sums[:], peak[:] = entry[:, :-2], entry[:, -2]
        side = self._first_side.table[self._first_side.index(codes, None)]
        for stage in self._stages:
            _add(stage.convolutions, codes, side, sums, peak)
            for outer, inner in stage.blocks:
                background = _add(outer, codes, side, sums, peak)
                if inner is not None:
                    _add(inner, codes, side, sums, peak, background)
            side = stage.next_side.table[stage.next_side.index(codes, side)]
        _add(self._head, codes, side, sums, peak)


def _add(
    part: Part, codes: NDArray[np.intp], side: NDArray[np.intp], sums: NDArray[Any], peak: NDArray[Any], background: Any = 0.0
) -> NDArray[Any]:
    """Add a part's sums, raise the peak to its own above the ``background``; return the background that it gives an inner part."""
    entry = part.table.take(part.index(codes, side), axis=0)
    sums += entry[:, :-2]
    np.maximum(peak, entry[:, -2] + background, out=peak)
    result: NDArray[Any] = entry[:, -1]
    return result
