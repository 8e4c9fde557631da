"""Masks on a disk: PNG files with the index of a class in every pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mvt_nas.data.decode import strict_warnings
from mvt_nas.errors import DataError

_INDEXED = ("P", "L", "1")


def read_mask(path: Path) -> NDArray[np.uint8]:
    """Return the indices in a file, (H, W).

    Raises:
        DataError: it is missing, cannot be decoded, or holds colours.
    """
    from PIL import Image

    if not path.is_file():
        raise DataError(f"{path}: no such mask; every picture needs one")
    try:
        with strict_warnings(), Image.open(path) as image:
            mode = image.mode
            pixels = np.array(image) if mode in _INDEXED else None
    except Exception as error:  # pillow's decoders raise whatever they stumble over
        raise DataError(f"{path}: cannot be decoded ({' '.join(str(error).split())})") from None
    if pixels is None:
        raise DataError(
            f"{path}: pixels of mode {mode}; a palette or grey values, the index of a class in"
            " each, are needed"
        )
    return pixels.astype(np.uint8)


def check_mask(mask: NDArray[np.uint8], classes: int, size: tuple[int, int], where: str) -> None:
    """Check what a mask holds.

    Args:
        mask: (H, W).
        classes: how many there are, the background among them.
        size: width and height of its picture.
        where: begins the message.

    Raises:
        DataError: it has another size than its picture, or the index of no class.
    """
    if mask.shape[::-1] != size:
        raise DataError(
            f"{where}: the mask has {mask.shape[1]} x {mask.shape[0]} pixels, its picture {size[0]}"
            f" x {size[1]}"
        )
    counts = np.bincount(mask.ravel(), minlength=256)
    strange = np.flatnonzero(counts[classes:255])
    if len(strange):
        raise DataError(
            f"{where}: {classes + int(strange[0])} in the mask is not allowed; 0 to {classes - 1},"
            " or 255 for pixels to ignore"
        )
