"""What is printed beside accuracies that were predicted: how good the prediction is, and where it is an extrapolation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mvt_nas.accuracy.names import ACCURACY_BEYOND, ACCURACY_HIGH, ACCURACY_LOW, IMAGENET, TRAINED, extrapolated

if TYPE_CHECKING:
    from mvt_nas.engine.candidates import Candidate
    from mvt_nas.engine.run import Run


def with_interval(candidate: Candidate) -> str:
    """Return the predicted accuracy of a candidate, half the width of its 90 % interval, and a star where it is an extrapolation."""
    scores = candidate.scores
    star = "*" if extrapolated(candidate.scores) else ""
    return f"{scores['accuracy']:.1f} ±{(scores[ACCURACY_HIGH] - scores[ACCURACY_LOW]) / 2:.1f}{star}"


def accuracy_in_words(run: Run) -> Iterator[str]:
    """Yield sentences on the accuracies of a run."""
    from mvt_nas.accuracy.protocol import protocol_of
    from mvt_nas.engine.metrics import is_proxy

    names = [objective.metric for objective in run.config.objectives]
    if run.inputs.accuracy is not None:
        accuracy = run.inputs.accuracy
        protocol = protocol_of(accuracy.table)
        yield (
            f"Accuracy is predicted for trainings as in {accuracy.name} ({protocol.train_images} pictures of {protocol.pixels} px, "
            f"{protocol.epochs} epochs), with its 90 % interval; {accuracy.quality.in_words()}."
        )
        if any(dimension.name == "resolution_px" for dimension in run.space.dimensions):
            yield f"The resolution is not in it: all networks are compared at {protocol.pixels} px. Where it matters, fix resolution_px."
        yield from _beyond(run)
    if TRAINED in names and run.config.training is not None:
        training = run.config.training
        protocol = training.protocol
        yield (
            f"Trained accuracy: {protocol.train_images} pictures of {protocol.pixels} px from {training.data}, {protocol.epochs} epochs; "
            f"judged by {protocol.validation_images} others."
        )
    if any(is_proxy(name) for name in names):
        yield "A proxy is a training-free score, not an accuracy; in brackets the share of candidates that are no better."
    yield from _imagenet(run)


def _beyond(run: Run) -> Iterator[str]:
    complete = run.complete()
    outside = [candidate for candidate in complete if extrapolated(candidate.scores)]
    if outside:
        most = max(candidate.scores[ACCURACY_BEYOND] for candidate in outside)
        yield (
            f"*: {len(outside)} of {len(complete)} candidates are larger or smaller than all networks that were trained, "
            f"by up to {most:.3g} times: there accuracy is an extrapolation, and its interval promises nothing."
        )


def _imagenet(run: Run) -> Iterator[str]:
    from mvt_nas.accuracy.imagenet import imagenet_errors

    if any(IMAGENET in candidate.scores for candidate in run.complete()):
        errors = imagenet_errors()
        families = ", ".join(f"{error:.1f} ({name})" for name, error in errors.leave_family_out.items())
        yield (
            "ImageNet top-1 is guessed from the 19 published models, by their size and kind of blocks: "
            f"{errors.leave_one_out:.1f} points off for one more of them, {families} for a family it has not seen."
        )
