"""Small image datasets for the tests of data and training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def noise(seed: int, height: int = 12, width: int = 16) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write(path: Path, pixels: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def folder(root: Path, classes: dict[str, int], suffix: str = ".png") -> Path:
    """Write a number of noise images into a folder for each class."""
    for number, (name, count) in enumerate(classes.items()):
        for index in range(count):
            write(root / name / f"{index}{suffix}", noise(100 * number + index))
    return root
