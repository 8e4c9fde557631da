"""The images of every training step, and the size they are resized to.

The multi-scale sampler draws a size for every step and takes a number of images in inverse
proportion to its area, so that all steps cost about the same. Every image is used once in an epoch;
the last step is filled up with the epoch's first images. Everything is a function of seed and
epoch, and every device takes equally many images of one size in a step.

Source: arXiv 2110.02178, Section 3.2 (batches b_t = H_n W_n b / H_t W_t for sizes H_t x W_t); as in
the authors' release, b belongs to the size that the network is evaluated at, and sizes are spread
evenly and rounded to multiples of 32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mvt_nas.training.recipe_groups import Batches
from mvt_nas.training.rng import RngPurpose, generator


class ImageRequest(NamedTuple):
    """A request for one training image.

    Attributes:
        row: Row of the image in its source.
        px: Side that the image is resized to.
        epoch: Epoch, from 0.
        position: Position in the order of the epoch; augmentation is drawn from it.
    """

    row: int
    px: int
    epoch: int
    position: int


@dataclass(frozen=True, slots=True)
class BatchSize:
    """A size of images, and the number of them that each device takes at once."""

    px: int
    images: int


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One step of the optimiser.

    Attributes:
        parts: Number of batches on each device, whose gradients are summed.
        images: Number of images over all devices.
    """

    parts: int
    images: int


@dataclass(frozen=True, slots=True, eq=False)
class BatchPlan:
    """The images of one step of the optimiser on one device.

    Attributes:
        size: Size of the images.
        positions: Positions in the order of the epoch, (parts, images); gradients are summed over
            the parts.
        images: Number of images over all devices.
    """

    size: BatchSize
    positions: NDArray[np.int64]
    images: int


def parts_of(batches: Batches, devices: int) -> int:
    """Return the number of parts of a step on each device, so that no part is too large for it."""
    return -(-batches.images // (devices * batches.images_per_device))


def sizes(batches: Batches, px: int, devices: int) -> tuple[BatchSize, ...]:
    """Return the sizes to draw from, smallest first; ``px`` is the size for evaluation."""
    base = max(1, batches.images // (devices * parts_of(batches, devices)))
    return tuple(
        BatchSize(side, max(1, base * px * px // (side * side))) for side in sides(batches, px)
    )


def sides(batches: Batches, px: int) -> tuple[int, ...]:
    """Return the possible sides of images, ascending."""
    if (
        batches.smallest_px is None
        or batches.largest_px is None
        or batches.scales is None
        or batches.multiple_of_px is None
    ):
        return (px,)
    spread = np.linspace(batches.smallest_px, batches.largest_px, batches.scales)
    # Halves are rounded up, not to even as numpy does.
    multiples = np.floor(spread / batches.multiple_of_px + 0.5)
    rounded = (multiples * batches.multiple_of_px).astype(int)
    return tuple(sorted({px, *(max(batches.multiple_of_px, int(side)) for side in rounded)}))


class MultiScaleBatchSampler:
    """The steps of all epochs for one device.

    As a batch sampler of torch it yields them part by part, from where :meth:`go_to` set it.

    Args:
        batches: Number and size of the images of a step.
        px: Side for evaluation.
        rows: Rows of the training images.
        seed: Seed of order and sizes.
        devices: Number of devices.
        device: Number of this device, from 0.
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
        self._epoch = 0
        self._step = 0

    def go_to(self, epoch: int, step: int) -> None:
        """Let the next iteration start at a step of an epoch, both from 0."""
        self._epoch = epoch
        self._step = step

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the rows of all images in the order of an epoch."""
        return generator(RngPurpose.ORDER, self._seed, epoch).permutation(self._rows)

    def steps(self, epoch: int) -> list[BatchPlan]:
        """Return the steps of an epoch."""
        random = generator(RngPurpose.SIZES, self._seed, epoch)
        result = []
        start = 0
        while start < len(self._rows):
            size = self._sizes[int(random.integers(len(self._sizes)))]
            images = self._devices * self._parts * size.images
            # Devices take turns, image by image.
            own = np.arange(start + self._device, start + images, self._devices)
            result.append(BatchPlan(size, own.reshape(self._parts, size.images), images))
            start += images
        return result

    def __iter__(self) -> Iterator[list[ImageRequest]]:
        epoch = self._epoch
        order = self.order(epoch)
        for step in self.steps(epoch)[self._step :]:
            for part in step.positions.tolist():
                # Positions beyond the last image start again at the first one.
                yield [
                    ImageRequest(int(order[position % len(order)]), step.size.px, epoch, position)
                    for position in part
                ]
