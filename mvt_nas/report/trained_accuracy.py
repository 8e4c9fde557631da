"""The accuracies that the trainings of a run have reached: their intervals, and what they show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mvt_nas.metrics.binomial import accuracy_interval
from mvt_nas.metrics.names import TRAINED
from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.runs.run import Run
from mvt_nas.training.reliability import protocol_notes, unordered

LOW, HIGH = f"{TRAINED}_low", f"{TRAINED}_high"
"""Names of the ends of the interval, where a score has a column of its own."""


def validation_images(config: RunConfig) -> int | None:
    """Return the number of validation images of a run's trainings; ``None`` without trainings."""
    return None if config.training is None else config.training.protocol.validation_images


def trained_interval(run: Run, scores: Mapping[str, float]) -> tuple[float, float] | None:
    """Return the 90 % interval of a candidate's trained accuracy, in percent.

    Args:
        run: The run.
        scores: The scores of the candidate; ``None`` is returned if it was not trained.
    """
    images = validation_images(run.config)
    if images is None or TRAINED not in scores:
        return None
    return accuracy_interval(scores[TRAINED], images)


def trained_accuracy_notes(run: Run) -> Iterator[str]:
    """Yield sentences on the trained accuracies of a run, and on what they do not show."""
    training = run.config.training
    if training is None:
        return
    protocol = training.protocol
    yield (
        f"Trained accuracy: {protocol.train_images} images of {protocol.pixels} px from"
        f" {training.data}, {protocol.epochs} epochs; validated on"
        f" {protocol.validation_images} others, which gives the 90 % interval."
    )
    trained = [one.scores[TRAINED] for one in run.complete() if TRAINED in one.scores]
    yield from protocol_notes(protocol, trained, training.num_classes)
    if all(objective.name != TRAINED for objective in run.config.objectives):
        # Budgets on the accuracy do not order the front by it.
        return
    front = [one.scores[TRAINED] for one in run.front() if TRAINED in one.scores]
    which = f"the {len(front)} candidates of the front"
    order = unordered(front, protocol.validation_images, which)
    if order is not None:
        yield order
