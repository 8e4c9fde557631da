"""Random images, as input of measurements and tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def random_images(shape: tuple[int, int, int, int], seed: int = 0) -> NDArray[np.float32]:
    """Return normally distributed images of a shape (B, C, H, W)."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
