"""Estimate of ImageNet top-1 accuracy for a network that is no architecture of this package.

All that is known of it is its size, so it is one of an unknown family: the scaling law alone gives
the mean, and the families' intercepts and slopes, which vary by several points, the interval.
"""

from __future__ import annotations

import numpy as np

from mvt_nas.accuracy.imagenet.constants import shipped_constants
from mvt_nas.accuracy.imagenet.law import (
    ScalingLaw,
    columns,
    family_covariance,
    link_slope,
    unlink,
)
from mvt_nas.metrics.binomial import Z_90

KNOWN_SIZES = {
    "params": (0.27e6, 54.2e6),
    "macs": (0.03e9, 26.1e9),
    "resolution_px": (106.0, 528.0),
}
"""Ranges of the published networks that the law was fitted to."""


def unknown_size(params: float, macs: float, resolution_px: float) -> str | None:
    """Return the quantity that no published network is like, or ``None`` if all are known.

    Args:
        params: Parameters with 1000 classes.
        macs: MACs at the network's resolution.
        resolution_px: Side of the images.
    """
    given = {"params": params, "macs": macs, "resolution_px": resolution_px}
    for name, (least, most) in KNOWN_SIZES.items():
        if not least <= given[name] <= most:
            return name
    return None


def estimate_other(
    params: float, macs: float, resolution_px: float, law: ScalingLaw | None = None
) -> tuple[float, float, float]:
    """Return the estimate in percent, and the lower and the upper end of its 90 % interval.

    The recipe is a basic one: no strong augmentation, no teacher, fewer than 1000 epochs. With a
    better one a network may lie above the estimate.

    Args:
        params: Parameters with 1000 classes.
        macs: MACs at the network's resolution.
        resolution_px: Side of the images of training and evaluation.
        law: Law; by default the shipped one, of which all families but MobileViT and MobileNetV2
            are part.

    Raises:
        AccuracyError: The shipped constants are missing or damaged.
    """
    constants = shipped_constants()
    law = law or constants.law
    values = columns([params], [macs], [resolution_px])
    mean = law.z(values)
    percent = unlink(mean)
    variance = (
        np.diag(values @ law.covariance @ values.T + family_covariance(values))
        + (constants.prior.run * link_slope(percent)) ** 2
    )
    half = Z_90 * np.sqrt(variance)
    return float(percent[0]), float(unlink(mean + half)[0]), float(unlink(mean - half)[0])
