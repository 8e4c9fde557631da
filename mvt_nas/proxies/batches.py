"""Batches for proxies without downloads: handwritten digits, and Gaussian noise.

The digits are those of scikit-learn, 1797 images of 8 x 8 pixels in 10 classes.

Source: Alpaydin and Kaynak, "Optical recognition of handwritten digits", UCI machine learning
repository (1998).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from mvt_nas.errors import MetricError
from mvt_nas.proxies.types import Batch

DIGIT_CLASSES = 10


def digits_batch(size: int, resolution_px: int, seed: int, in_channels: int = 3) -> Batch:
    """Return a batch of handwritten digits with labels 0 to 9.

    The images are (size, in_channels, resolution_px, resolution_px) in float32. They are drawn
    without replacement, and the classes have equal shares up to a remainder of one image. The
    values have mean 0 and variance 1 over the whole dataset, before they are resized bilinearly;
    all channels are equal. The same arguments give the same batch, whatever the global random
    state.

    Args:
        size: Number of images.
        resolution_px: Side of the images in pixels.
        seed: Seed of the draw.
        in_channels: Number of channels.

    Raises:
        MetricError: a size is below 1, or there are not enough digits.
    """
    from sklearn.datasets import load_digits

    _check_sizes(size, resolution_px, in_channels)
    digits = load_digits()
    rows = _balanced_rows(digits.target, size, np.random.default_rng(seed))
    grey = (digits.images[rows] - digits.images.mean()) / digits.images.std()
    maps = torch.from_numpy(grey).float().unsqueeze(1)
    resized = functional.interpolate(
        maps, size=(resolution_px, resolution_px), mode="bilinear", align_corners=False
    )
    return Batch(resized.repeat(1, in_channels, 1, 1), torch.from_numpy(digits.target[rows]).long())


def noise_batch(
    size: int, resolution_px: int, seed: int, in_channels: int = 3, classes: int = DIGIT_CLASSES
) -> Batch:
    """Return a batch of standard normal images with uniform random labels.

    The images are (size, in_channels, resolution_px, resolution_px) in float32. The same arguments
    give the same batch, whatever the global random state.

    Args:
        size: Number of images.
        resolution_px: Side of the images in pixels.
        seed: Seed of images and labels.
        in_channels: Number of channels.
        classes: Number of classes.

    Raises:
        MetricError: a size or the number of classes is below 1.
    """
    _check_sizes(size, resolution_px, in_channels, classes)
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(size, in_channels, resolution_px, resolution_px, generator=generator)
    return Batch(images, torch.randint(classes, (size,), generator=generator))


def _check_sizes(*sizes: int) -> None:
    if min(sizes) < 1:
        raise MetricError(
            f"batch with a size of {min(sizes)}: images, pixels, channels and classes are 1 or more"
        )


def _balanced_rows(
    labels: npt.NDArray[np.int64], size: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return ``size`` indices in random order; the counts of the classes differ by at most one."""
    available = int(np.bincount(labels, minlength=DIGIT_CLASSES).min()) * DIGIT_CLASSES
    if size > available:
        raise MetricError(
            f"batch of {size} digits: at most {available} can be drawn in equal shares"
        )
    # The remainder goes to random classes, one image each.
    counts = np.full(DIGIT_CLASSES, size // DIGIT_CLASSES)
    counts[rng.permutation(DIGIT_CLASSES)[: size % DIGIT_CLASSES]] += 1
    drawn = [
        rng.permutation(np.flatnonzero(labels == label))[:count]
        for label, count in enumerate(counts)
    ]
    rows: npt.NDArray[np.int64] = rng.permutation(np.concatenate(drawn))
    return rows
