"""Plain tables and numbers for terminals.

What is printed beside accuracies that were predicted: how good the prediction is, and where it is
an extrapolation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from mvt_nas.metrics.metric import Source
from mvt_nas.metrics.names import (
    ACCURACY_BEYOND,
    ACCURACY_HIGH,
    ACCURACY_LOW,
    IMAGENET,
    extrapolated,
)

if TYPE_CHECKING:
    from mvt_nas.nas.runs.candidate import Candidate
    from mvt_nas.nas.runs.run import Run


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = 1
) -> None:
    """Print aligned columns; the first ``text_columns`` to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, ["-" * width for width in widths], *rows]:
        cells = [
            cell.ljust(width) if i < text_columns else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def print_json(document: Any) -> None:
    """Print one JSON document and nothing else."""
    click.echo(json.dumps(document, indent=2, allow_nan=False))


def format_number(value: float, unit: str = "") -> str:
    """Return a number with three or four figures and a factor of a thousand, such as ``1.27 M``."""
    if abs(value) >= 1e15:
        return f"{value:.4g} {unit}".strip()
    for factor, name in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.{_decimals(value / factor)}f} {name}{unit}"
    return (
        f"{value:.0f} {unit}".strip()
        if float(value).is_integer()
        else f"{value:.4g} {unit}".strip()
    )


def _decimals(value: float) -> int:
    return 2 if abs(value) < 100 else 1


def format_interval(candidate: Candidate) -> str:
    """Return the predicted accuracy of a candidate, half the width of its 90 % interval, and a star where it is an extrapolation."""
    scores = candidate.scores
    star = "*" if extrapolated(candidate.scores) else ""
    return (
        f"{scores['accuracy']:.1f} ±{(scores[ACCURACY_HIGH] - scores[ACCURACY_LOW]) / 2:.1f}{star}"
    )


def format_accuracy_model(run: Run) -> Iterator[str]:
    """Yield sentences on the accuracies of a run."""
    from mvt_nas.accuracy.protocol import protocol_of

    sources = {objective.metric.source for objective in run.config.objectives}
    if run.inputs.accuracy is not None:
        accuracy = run.inputs.accuracy
        protocol = protocol_of(accuracy.table)
        yield (
            f"Accuracy is predicted for trainings as in {accuracy.name} ({protocol.train_images}"
            f" pictures of {protocol.pixels} px, {protocol.epochs} epochs), with its 90 % interval;"
            f" {accuracy.quality.describe()}."
        )
        if any(dimension.name == "resolution_px" for dimension in run.space.dimensions):
            yield (
                f"The resolution is not in it: all networks are compared at {protocol.pixels} px."
                " Where it matters, fix resolution_px."
            )
        yield from _beyond(run)
    if Source.TRAINED in sources and run.config.training is not None:
        training = run.config.training
        protocol = training.protocol
        yield (
            f"Trained accuracy: {protocol.train_images} pictures of {protocol.pixels} px from"
            f" {training.data}, {protocol.epochs} epochs; judged by {protocol.validation_images}"
            " others."
        )
    if Source.PROXY in sources:
        yield (
            "A proxy is a training-free score, not an accuracy; in brackets the share of candidates"
            " that are no better."
        )
    yield from _imagenet(run)


def _beyond(run: Run) -> Iterator[str]:
    complete = run.complete()
    outside = [candidate for candidate in complete if extrapolated(candidate.scores)]
    if outside:
        most = max(candidate.scores[ACCURACY_BEYOND] for candidate in outside)
        yield (
            f"*: {len(outside)} of {len(complete)} candidates are larger or smaller than all"
            f" networks that were trained, by up to {most:.3g} times: there accuracy is an"
            " extrapolation, and its interval promises nothing."
        )


def _imagenet(run: Run) -> Iterator[str]:
    from mvt_nas.accuracy.imagenet import imagenet_errors

    if any(IMAGENET in candidate.scores for candidate in run.complete()):
        errors = imagenet_errors()
        families = ", ".join(
            f"{error:.1f} ({name})" for name, error in errors.leave_family_out.items()
        )
        yield (
            "ImageNet top-1 is guessed from the 19 published models, by their size and kind of"
            f" blocks: {errors.leave_one_out:.1f} points off for one more of them, {families} for a"
            " family it has not seen."
        )
