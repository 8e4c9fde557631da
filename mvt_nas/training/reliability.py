"""Sentences on what the accuracies of trainings cannot show, each with what to change.

Three things make accuracies meaningless, all of them common with few images: too few steps to learn
anything, networks that still guess, and differences that are smaller than the noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from mvt_nas.metrics.binomial import accuracy_interval, images_to_separate, overlap
from mvt_nas.training.short_recipe import ShortRecipe

FEW_STEPS = 300
"""Number of optimiser steps below which a training is called too short."""

ENOUGH_STEPS = 1000
"""Number of optimiser steps that is recommended, and that default protocols have."""

SMALLEST_BATCH = 8
"""Smallest recommended batch: batch norm needs some images for its statistics."""


def few_steps(
    steps: int,
    epochs: int,
    batch_size: int,
    *,
    epochs_name: str = "epochs",
    batch_name: str = "batch_size",
) -> str | None:
    """Return a sentence if a training has few steps, with the settings that give enough.

    Args:
        steps: Steps of the optimiser in the whole training.
        epochs: Epochs of the training.
        batch_size: Images per step.
        epochs_name: Name of the setting of the epochs.
        batch_name: Name of the setting of the images per step.
    """
    if steps >= FEW_STEPS:
        return None
    enough_epochs = math.ceil(epochs * ENOUGH_STEPS / max(1, steps))
    advice = f"raise {epochs_name} to {enough_epochs}"
    batch = batch_size * steps // ENOUGH_STEPS
    if batch >= SMALLEST_BATCH:
        advice += f" or lower {batch_name} to {batch}"
    return f"{steps} steps are few ({FEW_STEPS} are the least for a comparison): {advice}."


def few_protocol_steps(protocol: ShortRecipe) -> str | None:
    """Return a sentence if the trainings of a protocol have few steps."""
    steps = protocol.epochs * protocol.steps_per_epoch
    return few_steps(steps, protocol.epochs, protocol.batch_size)


def at_chance(percent: float, images: int, classes: int) -> bool:
    """Return whether an accuracy is not certainly better than guessing.

    It is not if the lower end of its 90 % interval is at or below that of guessing, one divided by
    the number of classes.

    Args:
        percent: Accuracy, in percent.
        images: Number of validation images.
        classes: Number of classes.
    """
    return accuracy_interval(percent, images)[0] <= 100 / classes


def guessing(
    percents: Sequence[float], images: int, classes: int, change: str = "Raise epochs"
) -> str | None:
    """Return a sentence if accuracies have not left chance.

    Args:
        percents: Accuracies of all trainings, in percent.
        images: Number of validation images.
        classes: Number of classes.
        change: What to change first, as the beginning of a sentence.
    """
    number = sum(at_chance(percent, images, classes) for percent in percents)
    if not number:
        return None
    which = (
        f"{number} of {len(percents)} trainings have" if len(percents) > 1 else "The training has"
    )
    return (
        f"{which} not left chance: the 90 % interval does not exclude guessing,"
        f" {100 / classes:.3g} % for {classes} classes. {change}, try another learning rate, or"
        " check the labels."
    )


def unordered(percents: Sequence[float], images: int, what: str) -> str | None:
    """Return a sentence if accuracies differ by less than their intervals.

    Args:
        percents: Accuracies, in percent; of fewer than two there is nothing to say.
        images: Number of validation images.
        what: What the accuracies are of, such as ``"the 5 candidates of the front"``.
    """
    if len(percents) < 2 or not overlap(percents, images):
        return None
    low, high = min(percents), max(percents)
    needed = images_to_separate(low, high)
    remedy = "train longer"
    # A difference of less than a point is not worth any number of images.
    if needed is not None and high - low >= 1:
        remedy += f", or validate on {max(needed, images + 1)} images"
    return (
        f"The trained accuracies of {what} differ by {high - low:.1f} points, less than their 90 %"
        f" intervals on {images} images: their order means nothing. Choose by cost, or {remedy}."
    )


def protocol_notes(protocol: ShortRecipe, percents: Sequence[float], classes: int) -> Iterator[str]:
    """Yield sentences on the steps of a protocol, and on trainings that have not left chance."""
    steps = few_protocol_steps(protocol)
    if steps is not None:
        yield f"Protocol: {steps}"
    chance = guessing(percents, protocol.validation_images, classes)
    if chance is not None:
        yield chance
