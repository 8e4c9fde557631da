"""The costs of a million encoded architectures a second, exactly those of the lowering.

The costs of a network are sums and maxima over its parts. Each part is tabulated once (see
``compilation.py``); an architecture then takes a few look-ups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mvt_nas._typing import FloatArray, IndexArray
from mvt_nas.cost.compiled_space import CompiledSpace
from mvt_nas.cost.head_costs import stride_variant_indices, stride_variants
from mvt_nas.cost.reductions import BYTES, KernelCost
from mvt_nas.cost.tabulation import ADDITIVE, CostSettings
from mvt_nas.errors import MetricError, listing, nearest
from mvt_nas.metrics.names import COST_NAMES
from mvt_nas.models.lowering import check_use
from mvt_nas.space.search_space import SearchSpace
from mvt_nas.tasks.base import Task

_CHUNK = 8192
"""Rows that are added up together: their arrays fit into the processor's cache."""


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs of n architectures; also readable by name, ``costs["macs"]``.

    Attributes:
        params: Trainable parameters, (n,), int64.
        macs: Multiply-adds of the batch, (n,), int64.
        memory_bytes: Peak of live activations, (n,), int64.
        kernel_costs: The table's further costs by name, each (n,), float64.
    """

    params: NDArray[np.int64]
    macs: NDArray[np.int64]
    memory_bytes: NDArray[np.int64]
    kernel_costs: Mapping[str, FloatArray] = field(default_factory=dict)

    @property
    def memory_mb(self) -> FloatArray:
        """Peak of live activations in megabytes of 10**6 bytes, (n,)."""
        return self.memory_bytes / 1e6

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name in self.kernel_costs:
            return self.kernel_costs[name]
        if name not in (*COST_NAMES, "memory_bytes"):
            known = (*COST_NAMES, *self.kernel_costs)
            raise MetricError(
                f"unknown cost {name!r}{nearest(name, known)} (known: {listing(known)})"
            )
        result: NDArray[Any] = getattr(self, name)
        return result


class CostTable:
    """The compiled costs of a space.

    Args:
        space: Search space to compile.
        batch_size: Images per inference.
        in_channels: Channels of an image.
        num_classes: Outputs of the classifier.
        kernel_costs: Further costs that are sums over the kernels, such as predicted latencies.
        task: Task of the networks, with its own resolution and classes; ``None`` for
            classification.

    Attributes:
        space: The search space.
        num_classes: Outputs of the classifier.
        names: Names of all costs in the table.

    Raises:
        SpaceError: A part depends on more choices than can be tabulated.
        ArchitectureError: A number of images, channels or classes is not allowed, or the backbones
            do not suit the task.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        batch_size: int = 1,
        in_channels: int = 3,
        num_classes: int = 1000,
        kernel_costs: Sequence[KernelCost] = (),
        task: Task | None = None,
    ) -> None:
        check_use(batch_size=batch_size, in_channels=in_channels, num_classes=num_classes)
        settings = CostSettings(batch_size, in_channels, num_classes, tuple(kernel_costs))
        self.space = space
        self.num_classes = num_classes
        self.names = (*COST_NAMES, *(cost.name for cost in kernel_costs))
        self._settings = settings
        variants = [None] if task is None else stride_variants(space, task)
        self._compiled = [CompiledSpace(space, settings, variant) for variant in variants]
        self._variant = stride_variant_indices(space) if len(self._compiled) > 1 else None

    def costs(self, rows: ArrayLike) -> Costs:
        """Return the costs of encoded architectures.

        Args:
            rows: Rows of the space, (n, dimensions). They need not be canonical or obey the rules.

        Raises:
            SpaceError: A row has another length, or a code out of range.
        """
        array = self.space.checked(rows)
        sums = np.empty((len(array), self._settings.sums))
        peak = np.empty(len(array))
        for start in range(0, len(array), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            # Transposed: the look-ups read one dimension after the other.
            codes = np.ascontiguousarray(array[chunk].T, dtype=np.intp)
            self._add_up(codes, sums[chunk], peak[chunk])
        params, macs = (sums[:, column].astype(np.int64) for column in range(len(ADDITIVE)))
        kernel_costs = {
            cost.name: sums[:, column] + cost.fixed
            for column, cost in enumerate(self._settings.kernel_costs, start=len(ADDITIVE))
        }
        return Costs(params, macs, BYTES * peak.astype(np.int64), kernel_costs)

    def _add_up(self, codes: IndexArray, sums: NDArray[Any], peak: NDArray[Any]) -> None:
        """Write the sums and the peaks of live elements of one chunk of rows."""
        if self._variant is None:
            self._compiled[0].add_up(codes, sums, peak)
            return
        variants = self._variant.look_up(codes)
        for number, compiled in enumerate(self._compiled):
            members = np.flatnonzero(variants == number)
            if len(members):
                # Indexing by an array copies, so the results have to be written back.
                some_sums = np.empty((len(members), sums.shape[1]))
                some_peaks = np.empty(len(members))
                compiled.add_up(np.ascontiguousarray(codes[:, members]), some_sums, some_peaks)
                sums[members] = some_sums
                peak[members] = some_peaks
