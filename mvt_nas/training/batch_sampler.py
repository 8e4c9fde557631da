"""Which pictures are learnt from in which step, and at which size.

The multi-scale sampler draws a size for every step and takes a number of pictures in inverse
proportion to its area, so that all steps cost about the same. Every picture is learnt from once in
an epoch; the last step is filled up from the epoch's first pictures. All is a function of seed and
epoch, and every device takes equally many pictures of one size in a step.

Source: arXiv 2110.02178, Section 3.2 (batches b_t = H_n W_n b / H_t W_t for sizes H_t x W_t); as in
the authors' release, b belongs to the size that the network is judged at, and sizes are spread
evenly and rounded to multiples of 32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mvt_nas.training.recipe import Batches
from mvt_nas.training.rng import RngPurpose, generator


class ImageRequest(NamedTuple):
    """One picture that is to be learnt from.

    Attributes:
        row: of the picture in its source.
        px: side that it is brought to.
        epoch: from 0.
        position: in the order of the epoch, which augmentation is drawn by.
    """

    row: int
    px: int
    epoch: int
    position: int


@dataclass(frozen=True, slots=True)
class BatchSize:
    """A size of pictures, and how many of them each device takes at once."""

    px: int
    images: int


@dataclass(frozen=True, slots=True, eq=False)
class BatchPlan:
    """One step of the optimiser on one device.

    Attributes:
        size: of its pictures.
        positions: in the order of the epoch, (parts, images); gradients are summed over the parts.
        images: over all devices.
    """

    size: BatchSize
    positions: NDArray[np.int64]
    images: int


def parts_of(batches: Batches, devices: int) -> int:
    """Return into how many parts each device divides a step, so that none is larger than it takes."""
    return -(-batches.images // (devices * batches.images_per_device))


def sizes(batches: Batches, px: int, devices: int) -> tuple[BatchSize, ...]:
    """Return the sizes that are drawn from, smallest first; ``px`` is that which the network is judged at."""
    base = max(1, batches.images // (devices * parts_of(batches, devices)))
    return tuple(
        BatchSize(side, max(1, base * px * px // (side * side))) for side in sides(batches, px)
    )


def sides(batches: Batches, px: int) -> tuple[int, ...]:
    """Return the sides that pictures may have, ascending."""
    if (
        batches.smallest_px is None
        or batches.largest_px is None
        or batches.scales is None
        or batches.multiple_of_px is None
    ):
        return (px,)
    spread = np.linspace(batches.smallest_px, batches.largest_px, batches.scales)
    rounded = (np.floor(spread / batches.multiple_of_px + 0.5) * batches.multiple_of_px).astype(int)
    return tuple(sorted({px, *(max(batches.multiple_of_px, int(side)) for side in rounded)}))


class MultiScaleBatchSampler:
    """The steps of all epochs for one device; as a batch sampler it yields them part by part, from where it was told to begin.

    Args:
        batches: how many pictures, and how large.
        px: side that the network is judged at.
        rows: of the pictures that are learnt from.
        seed: of order and sizes.
        devices: how many there are.
        device: which of them this is, from 0.
    """

    def __init__(
        self,
        batches: Batches,
        px: int,
        rows: NDArray[np.int64],
        *,
        seed: int,
        devices: int = 1,
        device: int = 0,
    ) -> None:
        self._sizes = sizes(batches, px, devices)
        self._parts = parts_of(batches, devices)
        self._rows = rows
        self._seed = seed
        self._devices = devices
        self._device = device
        self._epoch = self._step = 0

    def go_to(self, epoch: int, step: int) -> None:
        """Let the next iteration begin at a step of an epoch, both from 0."""
        self._epoch, self._step = epoch, step

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the rows of all pictures in the order of an epoch."""
        return generator(RngPurpose.ORDER, self._seed, epoch).permutation(self._rows)

    def steps(self, epoch: int) -> list[BatchPlan]:
        """Return the steps of an epoch."""
        random, count, start = generator(RngPurpose.SIZES, self._seed, epoch), len(self._rows), 0
        result = []
        while start < count:
            size = self._sizes[int(random.integers(len(self._sizes)))]
            taken = self._devices * self._parts * size.images
            own = np.arange(start + self._device, start + taken, self._devices)
            result.append(BatchPlan(size, own.reshape(self._parts, size.images), taken))
            start += taken
        return result

    def __iter__(self) -> Iterator[list[ImageRequest]]:
        order, epoch = self.order(self._epoch), self._epoch
        for step in self.steps(epoch)[self._step :]:
            for part in step.positions.tolist():
                yield [
                    ImageRequest(int(order[position % len(order)]), step.size.px, epoch, position)
                    for position in part
                ]
