"""One picture, as it may lie on a disk, to a square of RGB pixels: the whole of it, or a part.

Whatever pillow reads is taken: grey-scale, 16 bits, palettes, CMYK; transparent parts become white.
The orientation that a camera noted is applied. The short side is brought to the size asked for,
with anti-aliasing, and the middle is cut out.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

_DEEP_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N")
# a JPEG is decoded at no less than this times the size asked for, then resized with care
_SLOPPY = 2
_LYING = (5, 6, 7, 8)  # orientations in which a camera was turned by a quarter
_ORIENTATION = 0x0112
_STREAM = re.compile(
    r" <_io\.BytesIO object at 0x[0-9a-f]+>"
)  # pillow's word for the file; it would be another each time

Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""


class Unreadable(Exception):
    """A picture that cannot be decoded; the message is the reason."""


class TooLarge(Exception):
    """A picture with more pixels than pillow takes for honest; the message is the reason."""


@contextmanager
def strict_warnings() -> Iterator[None]:
    """Within the block, a picture of suspicious size is an error; pillow's remarks on odd metadata are not heard."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def decode(data: bytes | NDArray[np.uint8], pixels: int) -> NDArray[np.uint8]:
    """Return a picture as (pixels, pixels, 3), uint8, RGB.

    Raises:
        Unreadable: it cannot be decoded.
        TooLarge: it has more pixels than pillow takes for honest.
    """
    with _told():
        image = _opened(data)
        if image.format == "JPEG":
            image.draft(None, (_SLOPPY * pixels, _SLOPPY * pixels))
        return np.asarray(_square(_rgb(_upright(image)), pixels))


@dataclass(frozen=True, slots=True)
class ImageRegion:
    """What is wanted of a picture.

    Attributes:
        part: of it, upright.
        size: width and height that the part is brought to, in pixels.
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
    """Return a part of a picture, brought to a side, with anti-aliasing.

    Args:
        data: a picture's file, or its pixels.
        pixels: side of what comes back, whatever the shape of the part.
        part: returns the part of a picture of some width and height, upright.
        bicubic: whether it is resized with cubic polynomials; else with linear ones.

    Raises:
        Unreadable: it cannot be decoded.
        TooLarge: it has more pixels than pillow takes for honest.
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
    """Return a part of a picture, brought to a width and a height, with anti-aliasing.

    A JPEG is decoded no larger than that takes, so that photographs of many megapixels cost little.

    Args:
        data: a picture's file, or its pixels.
        view: returns what is wanted of a picture of some width and height, upright.
        bicubic: whether it is resized with cubic polynomials; else with linear ones.

    Raises:
        Unreadable: it cannot be decoded.
        TooLarge: it has more pixels than pillow takes for honest.
    """
    from PIL import Image

    with _told():
        image = _opened(data)
        lies = image.getexif().get(_ORIENTATION) in _LYING if "exif" in image.info else False
        width, height = image.size[::-1] if lies else image.size
        wanted = view(width, height)
        box, size = wanted.part, wanted.size
        if image.format == "JPEG":
            spare = max(
                1.0,
                min(
                    (box[2] - box[0]) / (_SLOPPY * size[0]), (box[3] - box[1]) / (_SLOPPY * size[1])
                ),
            )
            image.draft(None, (int(-(-image.width // spare)), int(-(-image.height // spare))))
        upright = _rgb(_upright(image))
        across, down = upright.width / width, upright.height / height
        scaled = (
            box[0] * across,
            box[1] * down,
            min(box[2] * across, upright.width),
            min(box[3] * down, upright.height),
        )
        return upright.resize(
            size, Image.Resampling.BICUBIC if bicubic else Image.Resampling.BILINEAR, box=scaled
        )


def _opened(data: bytes | NDArray[np.uint8]) -> Image:
    from PIL import Image

    return Image.open(io.BytesIO(data)) if isinstance(data, bytes) else Image.fromarray(data)


@contextmanager
def _told() -> Iterator[None]:
    """Turn whatever goes wrong within the block into :class:`TooLarge` or :class:`Unreadable`."""
    from PIL import Image

    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLarge(str(error).split(",")[0]) from None
    except (
        Exception
    ) as error:  # pillow's decoders raise whatever they stumble over, up to struct.error
        raise Unreadable(
            _STREAM.sub("", " ".join(str(error).split())) or type(error).__name__
        ) from None


def _upright(image: Image) -> Image:
    from PIL import ImageOps

    return ImageOps.exif_transpose(image) if "exif" in image.info else image


def _rgb(image: Image) -> Image:
    from PIL import Image

    if image.mode == "RGB":
        return image
    if image.mode in _DEEP_MODES:
        deep = np.asarray(image).astype(np.int64)
        return Image.fromarray(
            (deep >> 8 if deep.max() > 255 else deep).clip(0, 255).astype(np.uint8)
        ).convert("RGB")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        opaque = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque).convert("RGB")
    return image.convert("RGB")


def _square(image: Image, pixels: int) -> Image:
    from PIL import Image

    if image.size == (pixels, pixels):
        return image
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    return image.resize(
        (pixels, pixels),
        Image.Resampling.BILINEAR,
        box=(left, top, left + side, top + side),
        reducing_gap=3.0,
    )
