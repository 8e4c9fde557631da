"""Photometric distortion: brightness, contrast, saturation and hue, each changed or not.

Source: Howard, arXiv 1312.5402, as SSD takes it up (arXiv 1512.02325, Section 2.2, data
augmentation); strengths and order of its release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

_BRIGHTNESS = 32  # of 255, up or down
_FACTORS = (0.5, 1.5)
_HUE_DEGREES = 18


def distort(image: Image, probability: float, random: np.random.Generator) -> Image:
    """Return an RGB picture with other light and colours.

    Args:
        image: is not changed.
        probability: of each change.
        random: is drawn from, equally often whatever happens.
    """
    from PIL import ImageEnhance

    wanted = random.uniform(size=4) < probability
    shift, turn = (
        random.uniform(-_BRIGHTNESS, _BRIGHTNESS),
        random.uniform(-_HUE_DEGREES, _HUE_DEGREES),
    )
    contrast, saturation = random.uniform(*_FACTORS, size=2)
    early = random.uniform() < 0.5  # contrast comes before the colours or after them
    if wanted[0]:
        image = image.point(lambda value: value + shift)
    if wanted[1] and early:
        image = ImageEnhance.Contrast(image).enhance(contrast)
    if wanted[2]:
        image = ImageEnhance.Color(image).enhance(saturation)
    if wanted[3]:
        image = _turned(image, turn)
    if wanted[1] and not early:
        image = ImageEnhance.Contrast(image).enhance(contrast)
    return image


def _turned(image: Image, degrees: float) -> Image:
    from PIL import Image as pillow

    hue, saturation, value = image.convert("HSV").split()
    turned = hue.point([round(step + degrees * 256 / 360) % 256 for step in range(256)])
    return pillow.merge("HSV", (turned, saturation, value)).convert("RGB")
