"""Sentences on the accuracies of a run: their source, their quality, and extrapolation."""

from __future__ import annotations

from collections.abc import Iterator

from mvt_nas.accuracy.imagenet import imagenet_errors
from mvt_nas.accuracy.protocol import protocol_of
from mvt_nas.metrics.metric import Source
from mvt_nas.metrics.names import ACCURACY_BEYOND, IMAGENET, extrapolated
from mvt_nas.nas.runs.run import Run


def accuracy_notes(run: Run) -> Iterator[str]:
    """Yield sentences on the accuracies of a run."""
    sources = {objective.metric.source for objective in run.config.objectives}
    if run.inputs.accuracy is not None:
        yield from _predicted_accuracy(run)
    if Source.TRAINED in sources and run.config.training is not None:
        training = run.config.training
        protocol = training.protocol
        yield (
            f"Trained accuracy: {protocol.train_images} images of {protocol.pixels} px from"
            f" {training.data}, {protocol.epochs} epochs; validated on"
            f" {protocol.validation_images} others."
        )
    if Source.PROXY in sources:
        yield (
            "A proxy is a training-free score, not an accuracy; the share of candidates that are"
            " not better is in brackets."
        )
    if any(IMAGENET in candidate.scores for candidate in run.complete()):
        yield _imagenet_accuracy()


def _predicted_accuracy(run: Run) -> Iterator[str]:
    accuracy = run.inputs.accuracy
    assert accuracy is not None
    protocol = protocol_of(accuracy.table)
    yield (
        f"Accuracy is predicted for trainings as in {accuracy.name} ({protocol.train_images}"
        f" images of {protocol.pixels} px, {protocol.epochs} epochs), with its 90 % interval;"
        f" {accuracy.quality.describe()}."
    )
    if any(dimension.name == "resolution_px" for dimension in run.space.dimensions):
        yield (
            "It does not depend on the resolution: all networks are compared at"
            f" {protocol.pixels} px. If the resolution matters, fix resolution_px."
        )
    complete = run.complete()
    outside = [candidate for candidate in complete if extrapolated(candidate.scores)]
    if outside:
        largest_factor = max(candidate.scores[ACCURACY_BEYOND] for candidate in outside)
        yield (
            f"*: {len(outside)} of {len(complete)} candidates are larger or smaller than all"
            f" trained networks, by up to {largest_factor:.3g} times: there accuracy is an"
            " extrapolation, and its interval promises nothing."
        )


def _imagenet_accuracy() -> str:
    errors = imagenet_errors()
    families = ", ".join(f"{error:.1f} ({name})" for name, error in errors.leave_family_out.items())
    return (
        "ImageNet top-1 is estimated from the 19 published models, by their size and kind of"
        f" blocks: {errors.leave_one_out:.1f} points off for one more of them, {families} for a"
        " family that was left out."
    )
