"""The exact counts of one architecture; ``docs/counts.md`` explains the conventions."""

from __future__ import annotations

from dataclasses import dataclass

from mvt_nas.cost.reductions import BYTES, peak_elements, total
from mvt_nas.models.lowering import lower
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task


@dataclass(frozen=True, slots=True)
class Counts:
    """Parameters of a network and costs of one inference.

    Attributes:
        params: Trainable parameters.
        macs: Multiply-adds of convolutions, linear layers and matrix products, for the whole batch.
        memory_bytes: Largest sum of live activations at any kernel, fp32, weights excluded.
        moved_bytes: Activations and weights read and written over all kernels, fp32.
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
    """Return the exact counts of an architecture's network.

    Args:
        architecture: The architecture, counted at its own resolution.
        batch_size: Images per inference.
        in_channels: Channels of an image.
        num_classes: Outputs of the classifier.
        task: Task whose network is counted, at the task's resolution and with its classes; ``None``
            for classification.

    Raises:
        ArchitectureError: A number of images, channels or classes is not allowed, or the backbone
            does not suit the task.
    """
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
