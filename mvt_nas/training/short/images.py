"""Batches out of pictures that lie in one tensor: gathered, shifted, mirrored and normalised all at once.

A shift and a mirroring are only other row and column numbers, so a batch is one gathering of uint8
and one conversion. Pictures stay in the order (B, H, W, C) and are handed on as a view (B, C, H,
W), which is what torch calls channels-last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mvt_nas.data.dataset import ImageDataset


@dataclass(frozen=True, slots=True, eq=False)
class ImageTensors:
    """Pictures on a device.

    Attributes:
        images: (N, H, W, 3), uint8.
        labels: (N,), int64.
        mean: by channel, (3,), float32, in units of uint8.
        deviation: by channel, (3,), float32, likewise.
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
        """Return pictures (B, 3, H, W), float32, normalised.

        Args:
            rows: which ones, (B,), int64.
            flips: (B,), bool, which of them are mirrored.
            shifts: (B, 2), int64, rows and columns by which they are moved; what comes in is the
                picture mirrored at its edge.
        """
        images = self.images
        if flips is None or shifts is None:
            chosen = images[rows]
        else:
            down = _mirrored(
                torch.arange(images.shape[1], device=images.device) + shifts[:, :1], images.shape[1]
            )
            across = _mirrored(
                torch.arange(images.shape[2], device=images.device) + shifts[:, 1:], images.shape[2]
            )
            across = torch.where(flips[:, None], across.flip(1), across)
            chosen = images[rows[:, None, None], down[:, :, None], across[:, None, :]]
        return chosen.float().sub_(self.mean).div_(self.deviation).permute(0, 3, 1, 2)


def _mirrored(index: Tensor, size: int) -> Tensor:
    """Return indices with those outside mirrored at the first and the last."""
    return (size - 1) - ((size - 1) - index.abs()).abs()


def image_tensors(
    images: ImageDataset,
    train: NDArray[np.int64],
    validation: NDArray[np.int64],
    device: torch.device,
) -> tuple[ImageTensors, ImageTensors]:
    """Return both parts of a split on a device, normalised alike: training pictures have mean 0 and variance 1 by channel."""
    learnt, judged = (
        torch.from_numpy(np.ascontiguousarray(images.images[rows])) for rows in (train, validation)
    )
    mean, deviation = _moments(learnt)
    both = ((learnt, images.labels[train]), (judged, images.labels[validation]))
    first, second = (
        ImageTensors(
            part.to(device),
            torch.from_numpy(labels).to(device),
            mean.to(device),
            deviation.to(device),
        )
        for part, labels in both
    )
    return first, second


def _moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation by channel, from how often each value occurs: exact in integers, whatever the order."""
    values = torch.arange(256, dtype=torch.float64)
    counts = torch.stack(
        [torch.bincount(images[..., channel].reshape(-1), minlength=256) for channel in range(3)]
    ).double()
    total = counts.sum(1)
    mean = (counts * values).sum(1) / total
    variance = (counts * (values - mean[:, None]) ** 2).sum(1) / total
    return mean.float(), variance.sqrt().clamp(min=1.0).float()
