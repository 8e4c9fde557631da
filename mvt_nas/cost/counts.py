"""The exact counts of one architecture. The conventions stand in ``docs/counts.md``."""

from __future__ import annotations

from dataclasses import dataclass

from mvt_nas.cost.reductions import BYTES, peak_elements, total
from mvt_nas.models.lowering import lower
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task


@dataclass(frozen=True, slots=True)
class Counts:
    """What one inference costs, and what the network weighs.

    Attributes:
        params: trainable parameters.
        macs: multiply-adds of convolutions, linear layers and matrix products, for the whole batch.
        memory_bytes: the largest sum of live activations at any kernel, fp32, weights excluded.
        moved_bytes: activations and weights read and written over all kernels, fp32.
    """

    params: int
    macs: int
    memory_bytes: int
    moved_bytes: int

    @property
    def memory_mb(self) -> float:
        """Peak activation memory in megabytes of 10**6 bytes."""
        return self.memory_bytes / 1e6

    @property
    def moved_mb(self) -> float:
        """Memory traffic in megabytes of 10**6 bytes."""
        return self.moved_bytes / 1e6


def count(
    architecture: Architecture,
    *,
    batch_size: int = 1,
    in_channels: int = 3,
    num_classes: int = 1000,
    task: Task | None = None,
) -> Counts:
    """Return the exact counts of an architecture at its resolution; with a ``task``, of the task's network at the task's."""
    graph = lower(
        architecture,
        batch_size=batch_size,
        in_channels=in_channels,
        num_classes=num_classes,
        task=task,
    )
    return Counts(
        params=total(graph.ops, "params"),
        macs=total(graph.ops, "macs"),
        memory_bytes=BYTES * peak_elements(graph),
        moved_bytes=BYTES * total(graph.ops, "moved"),
    )
