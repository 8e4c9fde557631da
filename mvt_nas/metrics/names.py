"""Names of the built-in metrics, as they are spelled on the command line and in files.

Kept free of NumPy and torch, since the command line needs them before anything is computed.
"""

from __future__ import annotations

from collections.abc import Mapping

COST_NAMES = ("params", "macs", "memory_mb")
"""Costs that are counted exactly from the layers of an architecture."""

LATENCY = "latency_ms"
"""Predicted latency; a full name gives the device behind an ``@``, ``latency_ms@NAME``."""

ACCURACY = "accuracy"
"""Accuracy predicted from trained networks, in percent under their protocol."""

ACCURACY_LOW = "accuracy_low"
"""Lower end of the 90 % interval of the predicted accuracy."""

ACCURACY_HIGH = "accuracy_high"
"""Upper end of the 90 % interval of the predicted accuracy."""

ACCURACY_BEYOND = "accuracy_beyond"
"""Factor by which a network is larger or smaller than all trained ones; 1 where it is not."""

PREDICTED = (ACCURACY, ACCURACY_LOW, ACCURACY_HIGH, ACCURACY_BEYOND)
"""Metrics that the accuracy surrogate predicts, known before anything is trained."""

IMAGENET = "imagenet_top1"
"""ImageNet top-1 accuracy estimated from published networks, in percent."""

IMAGENET_LOW = "imagenet_top1_low"
"""Lower end of the 90 % interval of the estimated ImageNet accuracy."""

IMAGENET_HIGH = "imagenet_top1_high"
"""Upper end of the 90 % interval of the estimated ImageNet accuracy."""

IMAGENET_IN_DOMAIN = "imagenet_top1_in_domain"
"""1 where the estimate holds; 0 for a size, resolution or shape unlike all that was published."""

ESTIMATED = (IMAGENET, IMAGENET_LOW, IMAGENET_HIGH, IMAGENET_IN_DOMAIN)
"""Metrics of the estimate of ImageNet accuracy, known before anything is trained."""

INTERVALS = {ACCURACY: (ACCURACY_LOW, ACCURACY_HIGH), IMAGENET: (IMAGENET_LOW, IMAGENET_HIGH)}
"""Names of the ends of the 90 % interval of each metric that has one."""

TRAINED = "trained_accuracy"
"""Accuracy that a short training reached, in percent."""

TRAINED_EPOCHS = "trained_epochs"
"""Epochs of that training, recorded where some candidates are trained further than others."""

SLACK = 0.1
"""Share by which a network may be larger or smaller than all trained ones before its predicted
accuracy counts as an extrapolation."""


def extrapolated(scores: Mapping[str, float], name: str = ACCURACY) -> bool:
    """Return True if a predicted accuracy among some scores is an extrapolation.

    Args:
        scores: Values by metric.
        name: Metric of the accuracy; one that no model predicts is never an extrapolation.
    """
    if name in PREDICTED:
        return scores.get(ACCURACY_BEYOND, 1.0) > 1 + SLACK
    return name in ESTIMATED and scores.get(IMAGENET_IN_DOMAIN, 1.0) < 1
