"""Confidence intervals of accuracies: an accuracy is a share of a number of images.

A network that classifies each image correctly with probability ``p`` is correct on a binomial
number of them. The interval says what ``p`` may be: how much the accuracy would change with other
images of the same kind. It does not hold what another seed of the training would change.

Source: Wilson, "Probable inference, the law of succession, and statistical inference", Journal of
the American Statistical Association 22 (1927), 209-212. Unlike the normal approximation, it stays
between 0 and 1 and holds for few images, and near 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Z_90 = 1.6448536269514722
"""Quantile of the normal distribution for a two-sided interval of 90 %."""


def wilson_interval(share: float, count: int, z: float = Z_90) -> tuple[float, float]:
    """Return the lower and upper end of the interval of a binomial share, both 0 to 1.

    Args:
        share: Share of successes, 0 to 1.
        count: Number of trials, from 1.
        z: Quantile of the normal distribution; by default that of 90 %.

    Raises:
        ValueError: the share or the count is out of range.
    """
    if not 0 <= share <= 1 or count < 1:
        raise ValueError(f"a share of {share} of {count} is none")
    shrinkage = 1 + z**2 / count
    centre = (share + z**2 / (2 * count)) / shrinkage
    half_width = z * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2) / shrinkage
    # Rounding must not push an end beyond the share itself, as at 0 and 1.
    return max(0.0, min(centre - half_width, share)), min(1.0, max(centre + half_width, share))


def accuracy_interval(percent: float, images: int) -> tuple[float, float]:
    """Return the 90 % interval of an accuracy, in percent like the accuracy.

    Args:
        percent: Accuracy, 0 to 100.
        images: Number of images that it was measured on.
    """
    # A percentage that was computed as a product may exceed 100 by its last bit.
    low, high = wilson_interval(min(1.0, max(0.0, percent / 100)), images)
    return 100 * low, 100 * high


def format_accuracy(percent: float, images: int, decimals: int = 1, unit: str = "") -> str:
    """Return an accuracy in percent with its 90 % interval, such as ``72.5 (68.7 to 76.0)``.

    Args:
        percent: Accuracy, 0 to 100.
        images: Number of images that it was measured on.
        decimals: Decimals of the accuracy; its interval always has one.
        unit: Unit behind the accuracy, such as ``" %"``.
    """
    low, high = accuracy_interval(percent, images)
    return f"{percent:.{decimals}f}{unit} ({low:.1f} to {high:.1f})"


def overlap(percents: Sequence[float], images: int) -> bool:
    """Return whether the 90 % intervals of all accuracies have a point in common.

    Then no order of the accuracies, in percent on equally many images, is certain.
    """
    intervals = [accuracy_interval(percent, images) for percent in percents]
    return max(low for low, _ in intervals) <= min(high for _, high in intervals)


def images_to_separate(low: float, high: float) -> int | None:
    """Return the number of images on which the intervals of two accuracies would be apart.

    It is rounded up to two digits; ``None`` for equal accuracies.

    Args:
        low: Lower accuracy, in percent.
        high: Higher accuracy, in percent.
    """
    if high <= low:
        return None
    deviations = [math.sqrt(share * (1 - share)) for share in (low / 100, high / 100)]
    # By the normal approximation, which is a little short where the intervals are asymmetric.
    approximate = max(1.0, (100 * Z_90 * sum(deviations) / (high - low)) ** 2)
    unit: int = 10 ** max(0, math.floor(math.log10(approximate)) - 1)
    images = math.ceil(approximate / unit) * unit
    while overlap([low, high], images):
        images += unit
    return images
