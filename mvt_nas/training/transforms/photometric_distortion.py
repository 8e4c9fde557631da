"""Photometric distortion: random changes of brightness, contrast, saturation and hue.

Source: Howard, arXiv 1312.5402, as used in SSD (arXiv 1512.02325, Section 2.2, data
augmentation); strengths and order of its release.
"""

from __future__ import annotations

import numpy as np
from PIL import Image as pillow
from PIL import ImageEnhance
from PIL.Image import Image

_BRIGHTNESS = 32
"""Largest shift in both directions, in levels of 255."""

_FACTORS = (0.5, 1.5)
_HUE_DEGREES = 18


def distort(image: Image, probability: float, random: np.random.Generator) -> Image:
    """Return an RGB image with changed light and colours.

    Args:
        image: Image, which is not changed.
        probability: Probability of each change.
        random: Source of randomness, used equally often whatever happens.
    """
    brightness, contrast, saturation, hue = random.uniform(size=4) < probability
    shift = random.uniform(-_BRIGHTNESS, _BRIGHTNESS)
    degrees = random.uniform(-_HUE_DEGREES, _HUE_DEGREES)
    contrast_factor, saturation_factor = random.uniform(*_FACTORS, size=2)
    # Contrast comes before the colours or after them.
    contrast_first = random.uniform() < 0.5
    if brightness:
        image = image.point(lambda value: value + shift)
    if contrast and contrast_first:
        image = ImageEnhance.Contrast(image).enhance(contrast_factor)
    if saturation:
        image = ImageEnhance.Color(image).enhance(saturation_factor)
    if hue:
        image = _rotate_hue(image, degrees)
    if contrast and not contrast_first:
        image = ImageEnhance.Contrast(image).enhance(contrast_factor)
    return image


def _rotate_hue(image: Image, degrees: float) -> Image:
    hue, saturation, value = image.convert("HSV").split()
    # Pillow's hue has 256 levels for 360 degrees.
    rotated = hue.point([round(level + degrees * 256 / 360) % 256 for level in range(256)])
    return pillow.merge("HSV", (rotated, saturation, value)).convert("RGB")
