"""Mask files: PNG images with the index of a class in every pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mvt_nas.data.decode import strict_warnings
from mvt_nas.errors import DataError

_INDEXED = ("P", "L", "1")


def read_mask(path: Path) -> NDArray[np.uint8]:
    """Return the class indices in a file, (H, W).

    Raises:
        DataError: it is missing, cannot be decoded, or contains colours.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such mask; every image needs one")
    try:
        with strict_warnings(), Image.open(path) as image:
            mode = image.mode
            pixels = np.array(image) if mode in _INDEXED else None
    except Exception as error:  # pillow's decoders raise any exception
        raise DataError(f"{path}: cannot be decoded ({' '.join(str(error).split())})") from None
    if pixels is None:
        raise DataError(
            f"{path}: pixels of mode {mode}; a palette or grey values, the index of a class in"
            " each, are needed"
        )
    return pixels.astype(np.uint8)


def check_mask(mask: NDArray[np.uint8], classes: int, size: tuple[int, int], where: str) -> None:
    """Check the size and the values of a mask.

    Args:
        mask: Class indices (H, W).
        classes: Number of classes, including the background.
        size: Width and height of its image.
        where: Beginning of the message.

    Raises:
        DataError: the size differs from that of the image, or a value is no class index.
    """
    if mask.shape[::-1] != size:
        raise DataError(
            f"{where}: the mask has {mask.shape[1]} x {mask.shape[0]} pixels, its image {size[0]} x"
            f" {size[1]}"
        )
    counts = np.bincount(mask.ravel(), minlength=256)
    invalid = np.flatnonzero(counts[classes:255])
    if len(invalid):
        raise DataError(
            f"{where}: {classes + int(invalid[0])} in the mask is not allowed; 0 to {classes - 1},"
            " or 255 for pixels to ignore"
        )
