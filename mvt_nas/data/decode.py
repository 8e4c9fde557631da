"""One picture, as it may lie on a disk, to a square of RGB pixels.

Whatever pillow reads is taken: grey-scale, 16 bits, palettes, CMYK; transparent parts become white. The orientation that a camera noted
is applied. The short side is brought to the size asked for, with anti-aliasing, and the middle is cut out.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

_DEEP_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N")
_SLOPPY = 2  # a JPEG is decoded at no less than this times the size asked for, then resized with care


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
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(data)) if isinstance(data, bytes) else Image.fromarray(data)
        if image.format == "JPEG":
            image.draft(None, (_SLOPPY * pixels, _SLOPPY * pixels))
        return np.asarray(_square(_rgb(_upright(image)), pixels))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLarge(str(error).split(",")[0]) from None
    except Exception as error:  # pillow's decoders raise whatever they stumble over, up to struct.error
        raise Unreadable(" ".join(str(error).split()) or type(error).__name__) from None


def _upright(image: Image) -> Image:
    from PIL import ImageOps

    return ImageOps.exif_transpose(image) if "exif" in image.info else image


def _rgb(image: Image) -> Image:
    from PIL import Image

    if image.mode == "RGB":
        return image
    if image.mode in _DEEP_MODES:
        deep = np.asarray(image).astype(np.int64)
        return Image.fromarray((deep >> 8 if deep.max() > 255 else deep).clip(0, 255).astype(np.uint8)).convert("RGB")
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
    return image.resize((pixels, pixels), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side), reducing_gap=3.0)
