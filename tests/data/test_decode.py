"""Decoding of all kinds of image files, against known pixels."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mvt_nas.data.decode import TooLarge, Unreadable, decode, strict_warnings
from tests.support.images import noise


def encoded(image: Image.Image, kind: str, **settings: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **settings)
    return stream.getvalue()


def flat(mode: str, colour: Any, kind: str = "PNG") -> tuple[int, ...]:
    found = decode(encoded(Image.new(mode, (10, 8), colour), kind), 8)
    assert found.shape == (8, 8, 3)
    assert (found == found[0, 0]).all()
    return tuple(found[0, 0].tolist())


@pytest.mark.parametrize(
    ("mode", "colour", "kind", "expected"),
    [
        ("RGB", (10, 20, 30), "PNG", (10, 20, 30)),
        ("L", 77, "PNG", (77, 77, 77)),
        ("1", 1, "PNG", (255, 255, 255)),
        ("I;16", 0x4D12, "PNG", (0x4D, 0x4D, 0x4D)),
        ("RGBA", (10, 20, 30, 255), "PNG", (10, 20, 30)),
        ("RGBA", (10, 20, 30, 0), "PNG", (255, 255, 255)),
        ("LA", (100, 0), "PNG", (255, 255, 255)),
        ("CMYK", (0, 0, 0, 255), "TIFF", (0, 0, 0)),
        ("CMYK", (255, 0, 0, 0), "TIFF", (0, 255, 255)),
    ],
)
def test_modes_become_rgb(mode: str, colour: Any, kind: str, expected: tuple[int, ...]) -> None:
    assert flat(mode, colour, kind) == expected


def test_palettes_become_rgb_and_their_transparent_entry_white() -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 9, 99, 199])
    assert tuple(decode(encoded(image, "GIF"), 8)[0, 0]) == (9, 99, 199)
    assert tuple(decode(encoded(image, "PNG", transparency=1), 8)[0, 0]) == (255, 255, 255)


def test_an_image_of_the_right_size_is_left_alone() -> None:
    pixels = noise(0, 8, 8)
    assert (decode(encoded(Image.fromarray(pixels), "PNG"), 8) == pixels).all()
    assert (decode(pixels, 8) == pixels).all()
    assert (decode(pixels[..., 0], 8) == pixels[..., :1]).all()


def test_the_middle_is_cut_out() -> None:
    pixels = np.zeros((8, 24, 3), np.uint8)
    pixels[:, 8:16] = noise(1, 8, 8)
    assert (decode(encoded(Image.fromarray(pixels), "PNG"), 8) == pixels[:, 8:16]).all()
    assert (
        decode(encoded(Image.fromarray(pixels.transpose(1, 0, 2)), "PNG"), 8)
        == pixels[:, 8:16].transpose(1, 0, 2)
    ).all()


def test_shrinking_averages_and_does_not_skip() -> None:
    checks = np.indices((64, 64)).sum(0) % 2 * 255
    found = decode(np.repeat(checks[..., None], 3, 2).astype(np.uint8), 8)
    assert abs(found.astype(int) - 127).max() <= 4


def test_the_orientation_of_a_camera_is_applied() -> None:
    pixels = noise(2, 8, 8)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter clockwise
    found = decode(encoded(Image.fromarray(pixels), "PNG", exif=exif), 8)
    assert (found == np.rot90(pixels, -1)).all()


def test_a_large_jpeg_is_decoded_small_and_looks_the_same() -> None:
    smooth = np.linspace(0, 255, 512 * 512).reshape(512, 512).astype(np.uint8)
    data = encoded(Image.fromarray(smooth), "JPEG", quality=95)
    assert abs(decode(data, 16).astype(int) - decode(smooth, 16)).max() <= 3


@pytest.mark.parametrize(
    "data", [b"", b"no image", encoded(Image.fromarray(noise(0)), "PNG")[:200]]
)
def test_data_that_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(Unreadable, match=r"cannot identify|truncated|broken"):
        decode(data, 8)


def test_decompression_bombs_are_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(Image.new("RGB", (100, 100)), "PNG")
    for most in (6000, 400):  # above once, pillow warns; above twice, it refuses
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        with (
            strict_warnings(),
            pytest.raises(
                TooLarge, match=r"Image size \(10000 pixels\) exceeds limit of \d+ pixels"
            ),
        ):
            decode(data, 8)
