"""The costs of a million encoded architectures a second, exactly those of the lowering.

The parts of a network in which its costs are sums and maxima are tabulated once (see
``compile.py``); an architecture then costs a few look-ups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mvt_nas.cost.compiled_space import CompiledSpace
from mvt_nas.cost.reductions import BYTES, KernelCost
from mvt_nas.cost.tabulation import ADDITIVE, CostSettings
from mvt_nas.cost.task_costs import task_uses, variants
from mvt_nas.errors import MetricError, listing, nearest
from mvt_nas.metrics.names import COST_NAMES
from mvt_nas.models.lowering import check_use
from mvt_nas.space.search_space import SearchSpace
from mvt_nas.tasks.base import Task

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
            raise MetricError(
                f"unknown cost {name!r}{nearest(name, known)} (known: {listing(known)})"
            )
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
        task: what the networks are for; ``None`` for classification. It has its own resolution and
            classes.

    Attributes:
        space: as given.
        num_classes: as given.
        names: of all costs that it knows.

    Raises:
        SpaceError: a part depends on more choices than can be tabulated.
        ArchitectureError: a number of images, channels or classes that is not allowed, or a task
            that the backbones cannot serve.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        batch_size: int = 1,
        in_channels: int = 3,
        num_classes: int = 1000,
        folds: Sequence[KernelCost] = (),
        task: Task | None = None,
    ) -> None:
        check_use(batch_size=batch_size, in_channels=in_channels, num_classes=num_classes)
        setting = CostSettings(batch_size, in_channels, num_classes, tuple(folds))
        self.space = space
        self.num_classes = num_classes
        self.names = (*COST_NAMES, *(fold.name for fold in folds))
        self._setting = setting
        self._compiled = (
            [CompiledSpace(space, setting, None)]
            if task is None
            else [CompiledSpace(space, setting, use) for use in task_uses(space, task)]
        )
        self._variant = variants(space) if len(self._compiled) > 1 else None

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
            self._fold(
                np.ascontiguousarray(array[chunk].T, dtype=np.intp), sums[chunk], peak[chunk]
            )
        params, macs = (sums[:, index].astype(np.int64) for index in range(len(ADDITIVE)))
        folds = enumerate(self._setting.folds, start=len(ADDITIVE))
        return Costs(
            params,
            macs,
            BYTES * peak.astype(np.int64),
            {fold.name: sums[:, index] + fold.fixed for index, fold in folds},
        )

    def _fold(self, codes: NDArray[np.intp], sums: NDArray[Any], peak: NDArray[Any]) -> None:
        """Write the sums and the peak of live elements of one chunk."""
        if self._variant is None:
            self._compiled[0].fold(codes, sums, peak)
            return
        found = self._variant.table[self._variant.index(codes, None)]
        for number, compiled in enumerate(self._compiled):
            members = np.flatnonzero(found == number)
            if len(members):
                part, top = np.empty((len(members), sums.shape[1])), np.empty(len(members))
                compiled.fold(np.ascontiguousarray(codes[:, members]), part, top)
                sums[members], peak[members] = part, top
