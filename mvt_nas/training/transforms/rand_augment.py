"""RandAugment: a few random operations on every image, all of the same magnitude.

Source: Cubuk et al., arXiv 1909.13719; operations and their ranges of magnitudes (0 to 30) as in
the policy of MobileViTv2's training: identity, shears, translations, rotation, brightness,
colour, contrast, sharpness, posterise, solarise, auto-contrast, equalise.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image as pillow
from PIL import ImageEnhance, ImageOps
from PIL.Image import Image

MAX_MAGNITUDE = 30

Operation = Callable[[Image, float], Image]
"""Takes an image and a strength from -1 to 1, or 0 to 1 if it has no direction."""


def rand_augment(
    image: Image, operations: int, magnitude: int, random: np.random.Generator
) -> Image:
    """Return an image after random operations.

    Args:
        image: RGB image.
        operations: Number of operations, each drawn from all.
        magnitude: Magnitude of the operations, 0 to 30.
        random: Source of randomness.
    """
    for _ in range(operations):
        name = list(OPERATIONS)[int(random.integers(len(OPERATIONS)))]
        operation, has_direction = OPERATIONS[name]
        backwards = bool(random.integers(2)) and has_direction
        image = operation(image, (-1 if backwards else 1) * magnitude / MAX_MAGNITUDE)
    return image


def _affine(image: Image, shear_x: float, shear_y: float, right: float, down: float) -> Image:
    """Return a sheared and translated image, black outside.

    Its pixel (x, y) is that at (x + shear_x y - right, y + shear_y x - down).
    """
    return image.transform(
        image.size,
        pillow.Transform.AFFINE,
        (1, shear_x, -right, shear_y, 1, -down),
        resample=pillow.Resampling.NEAREST,
    )


def _rotate(image: Image, strength: float) -> Image:
    return image.rotate(30 * strength)


def _enhanced(name: str) -> Operation:
    def enhance(image: Image, strength: float) -> Image:
        changed: Image = getattr(ImageEnhance, name)(image).enhance(1 + 0.9 * strength)
        return changed

    return enhance


def _posterize(image: Image, strength: float) -> Image:
    return ImageOps.posterize(image, 8 - round(4 * strength))


def _solarize(image: Image, strength: float) -> Image:
    # Rounding may give 136.00000000000003 for 136.
    return ImageOps.solarize(image, math.ceil(255 * (1 - strength) - 1e-9))


def _auto_contrast(image: Image, strength: float) -> Image:
    return ImageOps.autocontrast(image)


def _equalize(image: Image, strength: float) -> Image:
    return ImageOps.equalize(image)


_MAX_TRANSLATION = 150 / 331
"""Largest translation, in sides of the image."""

OPERATIONS: dict[str, tuple[Operation, bool]] = {
    "identity": (lambda image, strength: image, False),
    "shear_x": (lambda image, strength: _affine(image, 0.3 * strength, 0, 0, 0), True),
    "shear_y": (lambda image, strength: _affine(image, 0, 0.3 * strength, 0, 0), True),
    "translate_x": (
        lambda image, strength: _affine(
            image, 0, 0, int(_MAX_TRANSLATION * image.width * strength), 0
        ),
        True,
    ),
    "translate_y": (
        lambda image, strength: _affine(
            image, 0, 0, 0, int(_MAX_TRANSLATION * image.height * strength)
        ),
        True,
    ),
    "rotate": (_rotate, True),
    "brightness": (_enhanced("Brightness"), True),
    "colour": (_enhanced("Color"), True),
    "contrast": (_enhanced("Contrast"), True),
    "sharpness": (_enhanced("Sharpness"), True),
    "posterize": (_posterize, False),
    "solarize": (_solarize, False),
    "auto_contrast": (_auto_contrast, False),
    "equalize": (_equalize, False),
}
"""Each operation, and True if its strength has a direction."""
