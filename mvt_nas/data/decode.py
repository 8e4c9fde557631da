"""Decoding of an image file, or a region of it, to RGB pixels of a given size.

All modes that pillow reads are accepted: grey-scale, 16 bits, palettes, CMYK; transparent parts
become white. The orientation in the EXIF data is applied. The short side is resized to the
requested size, with anti-aliasing, followed by a centre crop.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow
from PIL import ImageOps
from PIL.Image import Image

_DEEP_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N")
# A JPEG is decoded at no less than this times the requested size (its decoder scales by powers of
# two, without anti-aliasing), then resized with anti-aliasing.
_DRAFT_FACTOR = 2
# The EXIF tag of the orientation, and its values for a quarter turn, which swaps width and height.
_ORIENTATION = 0x0112
_QUARTER_TURNS = (5, 6, 7, 8)
# Pillow's description of the file in messages, whose address would differ each time.
_STREAM = re.compile(r" <_io\.BytesIO object at 0x[0-9a-f]+>")

Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""


class Unreadable(Exception):
    """An image that cannot be decoded; the message is the reason."""


class TooLarge(Exception):
    """An image with more pixels than pillow accepts; the message is the reason."""


@contextmanager
def strict_warnings() -> Iterator[None]:
    """Make images of suspicious size errors within the block, and silence all other warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", pillow.DecompressionBombWarning)
        yield


def decode(data: bytes | NDArray[np.uint8], pixels: int) -> NDArray[np.uint8]:
    """Return an image as (pixels, pixels, 3), uint8, RGB.

    Raises:
        Unreadable: it cannot be decoded.
        TooLarge: it has more pixels than pillow accepts.
    """
    with _translated_errors():
        image = _open(data)
        if image.format == "JPEG":
            image.draft(None, (_DRAFT_FACTOR * pixels, _DRAFT_FACTOR * pixels))
        return np.asarray(_square(_rgb(_upright(image)), pixels))


@dataclass(frozen=True, slots=True)
class ImageRegion:
    """Region of an image, and the size to resize it to.

    Attributes:
        part: Box in the upright image.
        size: Width and height of the resized region, in pixels.
    """

    part: Box
    size: tuple[int, int]


def decode_part(
    data: bytes | NDArray[np.uint8],
    pixels: int,
    part: Callable[[int, int], Box],
    *,
    bicubic: bool = False,
) -> Image:
    """Return a part of an image, resized to a square with anti-aliasing.

    Args:
        data: Bytes of an image file, or pixels.
        pixels: Side of the result, whatever the shape of the part.
        part: Function from the width and height of the upright image to the box of the part.
        bicubic: Whether to resize with bicubic instead of bilinear interpolation.

    Raises:
        Unreadable: the image cannot be decoded.
        TooLarge: the image has more pixels than pillow accepts.
    """
    return decode_region(
        data,
        lambda width, height: ImageRegion(part(width, height), (pixels, pixels)),
        bicubic=bicubic,
    )


def decode_region(
    data: bytes | NDArray[np.uint8],
    view: Callable[[int, int], ImageRegion],
    *,
    bicubic: bool = False,
) -> Image:
    """Return a region of an image, resized to a width and a height with anti-aliasing.

    A JPEG is decoded no larger than needed, so that photographs of many megapixels cost little.

    Args:
        data: Bytes of an image file, or pixels.
        view: Function from the width and height of the upright image to the requested region.
        bicubic: Whether to resize with bicubic instead of bilinear interpolation.

    Raises:
        Unreadable: the image cannot be decoded.
        TooLarge: the image has more pixels than pillow accepts.
    """
    with _translated_errors():
        image = _open(data)
        turned = "exif" in image.info and image.getexif().get(_ORIENTATION) in _QUARTER_TURNS
        width, height = image.size[::-1] if turned else image.size
        region = view(width, height)
        if image.format == "JPEG":
            image.draft(None, _draft_size(image.size, region))
        upright = _rgb(_upright(image))
        # The draft may be smaller than the image: scale the box to it.
        left, top, right, bottom = region.part
        scale_x = upright.width / width
        scale_y = upright.height / height
        box = (
            left * scale_x,
            top * scale_y,
            min(right * scale_x, upright.width),
            min(bottom * scale_y, upright.height),
        )
        resampling = pillow.Resampling.BICUBIC if bicubic else pillow.Resampling.BILINEAR
        return upright.resize(region.size, resampling, box=box)


def _draft_size(size: tuple[int, int], region: ImageRegion) -> tuple[int, int]:
    """Return the smallest width and height at which a JPEG may be decoded for a region."""
    left, top, right, bottom = region.part
    reduction_x = (right - left) / (_DRAFT_FACTOR * region.size[0])
    reduction_y = (bottom - top) / (_DRAFT_FACTOR * region.size[1])
    reduction = max(1.0, min(reduction_x, reduction_y))
    # -(-a // b) is a / b, rounded up.
    return int(-(-size[0] // reduction)), int(-(-size[1] // reduction))


def _open(data: bytes | NDArray[np.uint8]) -> Image:
    return pillow.open(io.BytesIO(data)) if isinstance(data, bytes) else pillow.fromarray(data)


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Turn all exceptions of the block into :class:`TooLarge` or :class:`Unreadable`."""
    try:
        yield
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:
        raise TooLarge(str(error).split(",")[0]) from None
    except Exception as error:  # pillow's decoders raise any exception, up to struct.error
        reason = _STREAM.sub("", " ".join(str(error).split()))
        raise Unreadable(reason or type(error).__name__) from None


def _upright(image: Image) -> Image:
    return ImageOps.exif_transpose(image) if "exif" in image.info else image


def _rgb(image: Image) -> Image:
    if image.mode == "RGB":
        return image
    if image.mode in _DEEP_MODES:
        deep = np.asarray(image).astype(np.int64)
        # 16 bits to 8; a deep mode may as well hold 8-bit values.
        values = deep >> 8 if deep.max() > 255 else deep
        return pillow.fromarray(values.clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        opaque = image.convert("RGBA")
        white = pillow.new("RGBA", opaque.size, "white")
        return pillow.alpha_composite(white, opaque).convert("RGB")
    return image.convert("RGB")


def _square(image: Image, pixels: int) -> Image:
    if image.size == (pixels, pixels):
        return image
    side = min(image.size)
    left = (image.width - side) / 2
    top = (image.height - side) / 2
    return image.resize(
        (pixels, pixels),
        pillow.Resampling.BILINEAR,
        box=(left, top, left + side, top + side),
        reducing_gap=3.0,
    )
