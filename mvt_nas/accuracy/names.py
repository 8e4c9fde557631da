"""The names of what is said of accuracy. Kept apart, since they are needed where NumPy is not."""

from __future__ import annotations

from collections.abc import Mapping

ACCURACY = "accuracy"
"""Predicted from trained networks, in percent under their protocol."""

ACCURACY_LOW = "accuracy_low"
"""Lower end of its 90 % interval."""

ACCURACY_HIGH = "accuracy_high"
"""Upper end of its 90 % interval."""

ACCURACY_BEYOND = "accuracy_beyond"
"""By which factor the network is larger or smaller than all that were trained; 1 where it is not."""

IMAGENET = "imagenet_top1"
"""Estimated from the published models, in percent."""

TRAINED = "trained_accuracy"
"""What a short training reached, in percent."""

TRAINED_EPOCHS = "trained_epochs"
"""After how many epochs, where some are trained further than others."""

PREDICTED = (ACCURACY, ACCURACY_LOW, ACCURACY_HIGH, ACCURACY_BEYOND)
"""What the surrogate says, known before anything is trained."""


def is_predicted(metric: str) -> bool:
    """Return whether a metric comes from the surrogate."""
    return metric in PREDICTED


SLACK = 0.1
"""By which share a network may be larger or smaller than those that were trained before that is said."""


def extrapolated(scores: Mapping[str, float]) -> bool:
    """Return whether the accuracy among some scores is an extrapolation."""
    return scores.get(ACCURACY_BEYOND, 1.0) > 1 + SLACK
