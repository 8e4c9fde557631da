"""The data loader of short trainings: all images in one tensor, augmented while they are gathered.

A shift and a flip only change row and column indices, so a batch is one gather of uint8 and one
conversion. Images stay in the order (B, H, W, C) and are returned as a view (B, C, H, W), which is
what torch calls channels-last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mvt_nas.data.dataset import ImageDataset
from mvt_nas.training.batch_sampler import StepPlan
from mvt_nas.training.short_recipe import ShortRecipe

_VALIDATION_BATCH = 256


@dataclass(frozen=True, slots=True, eq=False)
class ImageTensors:
    """Images on a device.

    Attributes:
        images: (N, H, W, 3), uint8.
        labels: (N,), int64.
        mean: Mean of each channel, (3,), float32, in units of uint8.
        deviation: Standard deviation of each channel, (3,), float32, in units of uint8.
    """

    images: Tensor
    labels: Tensor
    mean: Tensor
    deviation: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def batch(
        self, rows: Tensor, flips: Tensor | None = None, shifts: Tensor | None = None
    ) -> Tensor:
        """Return normalised images (B, 3, H, W), float32.

        Args:
            rows: Indices of the images, (B,), int64.
            flips: Whether each image is flipped, (B,), bool.
            shifts: Rows and columns to shift each image by, (B, 2), int64; the edge is filled with
                the image's reflection.
        """
        images = self.images
        if flips is None or shifts is None:
            chosen = images[rows]
        else:
            height, width = images.shape[1:3]
            down = torch.arange(height, device=images.device) + shifts[:, :1]
            across = torch.arange(width, device=images.device) + shifts[:, 1:]
            down = _reflected(down, height)
            across = _reflected(across, width)
            across = torch.where(flips[:, None], across.flip(1), across)
            # The three indices broadcast to (B, H, W): one gather does all.
            chosen = images[rows[:, None, None], down[:, :, None], across[:, None, :]]
        return chosen.float().sub_(self.mean).div_(self.deviation).permute(0, 3, 1, 2)


@dataclass(frozen=True, slots=True, eq=False)
class TensorBatch:
    """A batch that is ready for the network.

    Attributes:
        images: (B, 3, H, W), float32, normalised.
        labels: (B,), int64.
        unreadable: Always empty: images in memory have been read.
        wrong: Always empty.
    """

    images: Tensor
    labels: Tensor
    unreadable: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()

    def inputs(self, device: torch.device) -> Tensor:
        """Return the images, which are on the device already."""
        return self.images


class MemoryLoader:
    """Training batches of images in memory; order and augmentation depend on seed and epoch only.

    Args:
        train: Training images.
        recipe: Batch size and augmentation.
        seed: Seed of order and augmentation.
    """

    def __init__(self, train: ImageTensors, recipe: ShortRecipe, seed: int) -> None:
        self._train = train
        self._recipe = recipe
        self._seed = seed

    def steps(self, epoch: int) -> Sequence[StepPlan]:
        """Return the steps of an epoch, which all have one batch of the same size."""
        return [StepPlan(1, self._recipe.batch_size)] * self._recipe.steps_per_epoch

    def batches(self, epoch: int, step: int) -> Iterator[TensorBatch]:
        """Yield the batches of an epoch from a step on, both from 0."""
        order, flips, shifts = self._draw(epoch)
        size = self._recipe.batch_size
        for start in range(step * size, self._recipe.steps_per_epoch * size, size):
            part = slice(start, start + size)
            images = self._train.batch(order[part], flips[part], shifts[part])
            yield TensorBatch(images, self._train.labels[order[part]])

    def _draw(self, epoch: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return order (N,), flips (N,) and shifts (N, 2) of an epoch."""
        random = torch.Generator().manual_seed(_epoch_seed(self._seed, epoch))
        count, padding = len(self._train), self._recipe.crop_padding
        order = torch.randperm(count, generator=random)
        flips = torch.rand(count, generator=random) < (0.5 if self._recipe.flip else 0.0)
        shifts = torch.randint(-padding, padding + 1, (count, 2), generator=random)
        device = self._train.images.device
        return order.to(device), flips.to(device), shifts.to(device)


def _reflected(index: Tensor, size: int) -> Tensor:
    """Return indices with those outside of 0 to ``size - 1`` reflected at the first and last."""
    return (size - 1) - ((size - 1) - index.abs()).abs()


def _epoch_seed(seed: int, epoch: int) -> int:
    """Return a seed for an epoch that no other epoch of a nearby seed has."""
    return (seed * 1_000_003 + epoch + 1) % 2**63


def validation_batches(validation: ImageTensors) -> Iterator[TensorBatch]:
    """Yield the validation images in order, without augmentation."""
    rows = torch.arange(len(validation), device=validation.images.device)
    for part in rows.split(_VALIDATION_BATCH):  # type: ignore[no-untyped-call]  # torch's
        yield TensorBatch(validation.batch(part), validation.labels[part])


def image_tensors(
    images: ImageDataset,
    train: NDArray[np.int64],
    validation: NDArray[np.int64],
    device: torch.device,
) -> tuple[ImageTensors, ImageTensors]:
    """Return the training and the validation images of a split, on a device.

    Both are normalised alike: the training images have mean 0 and variance 1 in each channel.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(images.images[train]))
    mean, deviation = (value.to(device) for value in _moments(pixels))

    def tensors(pixels: Tensor, rows: NDArray[np.int64]) -> ImageTensors:
        labels = torch.from_numpy(images.labels[rows]).to(device)
        return ImageTensors(pixels.to(device), labels, mean, deviation)

    validation_pixels = torch.from_numpy(np.ascontiguousarray(images.images[validation]))
    return tensors(pixels, train), tensors(validation_pixels, validation)


def _moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel.

    They come from counts of each value: exact integers, whatever the order of the images.
    """
    values = torch.arange(256, dtype=torch.float64)
    counts = torch.stack(
        [torch.bincount(images[..., channel].reshape(-1), minlength=256) for channel in range(3)]
    ).double()
    total = counts.sum(1)
    mean = (counts * values).sum(1) / total
    variance = (counts * (values - mean[:, None]) ** 2).sum(1) / total
    # A constant channel is only centred.
    return mean.float(), variance.sqrt().clamp(min=1.0).float()
