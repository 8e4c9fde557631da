"""The Pareto front as a table of formatted cells, which the terminal and Markdown render.

The live view of a search uses the headers and cells as well, for its objectives only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mvt_nas.metrics.binomial import format_accuracy
from mvt_nas.metrics.metric import Metric, Source
from mvt_nas.metrics.names import (
    ACCURACY,
    COST_NAMES,
    IMAGENET,
    INTERVALS,
    TRAINED,
    extrapolated,
)
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from mvt_nas.pareto import evenly_spaced_subset
from mvt_nas.report.formatting import format_number
from mvt_nas.report.trained_accuracy import validation_images
from mvt_nas.space.architecture import Architecture, Stage

MOST_ROWS = 30
"""Rows of the table; of a larger front, candidates evenly spread along it are shown."""

NumberFormat = Callable[[float], str]

_HEADERS = {ACCURACY: "accuracy %", TRAINED: "trained accuracy %", IMAGENET: "ImageNet top-1 %"}


@dataclass(frozen=True, slots=True)
class FrontRow:
    """A candidate in the table.

    Attributes:
        candidate: The candidate.
        cells: Its formatted values, one per column.
        is_knee: Whether it is the knee of the front.
    """

    candidate: Candidate
    cells: tuple[str, ...]
    is_knee: bool


@dataclass(frozen=True, slots=True)
class FrontTable:
    """The table of a front.

    Attributes:
        headers: Headers of the columns of values.
        rows: Candidates, the best in the first objective first.
        total: Number of candidates on the front, which may be more than there are rows.
    """

    headers: tuple[str, ...]
    rows: tuple[FrontRow, ...]
    total: int


KINDS = "px", "blocks"
"""Headers of the columns that say what a network is."""

KINDS_NOTE = "blocks: one letter per stage; c convolutional, m multi-head, s separable attention"


def front_table(run: Run, number_format: NumberFormat = format_number) -> FrontTable:
    """Return the front of a run: objectives, latencies (predicted, measured) and counted costs.

    A proxy score is followed by the share of candidates that are not better. The last columns are
    resolution and kinds of blocks.
    """
    front = run.front()
    complete = run.complete()
    knee = run.knee()
    columns = _columns(run, front)
    several_devices = len({latency.device for latency in run.devices}) > 1
    images = validation_images(run.config)
    rows = [
        FrontRow(
            candidate,
            tuple(
                _measured_cell(run, metric, candidate, number_format)
                if measured
                else _cell(metric, candidate, complete, number_format, images)
                for metric, measured in columns
            )
            + _kinds(run.architecture(candidate.number)),
            candidate.number == knee,
        )
        for candidate in evenly_spread(front, knee, MOST_ROWS)
    ]
    headers = (column_header(metric, several_devices, measured) for metric, measured in columns)
    return FrontTable((*headers, *KINDS), tuple(rows), len(front))


def _kinds(architecture: Architecture) -> tuple[str, str]:
    """Return resolution and blocks of a network, such as ``("256", "ccmmm")``."""
    return str(architecture.resolution_px), "".join(map(_letter, architecture.stages))


def _letter(stage: Stage) -> str:
    """Return the letter of a stage: that of its attention, or of its kind of block."""
    return str(getattr(stage.block, "attention", stage.kind))[0]


def evenly_spread(front: Sequence[Candidate], knee: int | None, most: int) -> list[Candidate]:
    """Return at most ``most`` candidates, evenly spread along the front, the knee among them."""
    index_of_knee = next(
        (index for index, candidate in enumerate(front) if candidate.number == knee), None
    )
    return [front[index] for index in evenly_spaced_subset(len(front), most, index_of_knee)]


def column_header(metric: Metric, several_devices: bool, measured: bool = False) -> str:
    """Return the header of a metric's column; a latency names its device if there are several."""
    if not metric.is_latency:
        return _HEADERS.get(metric.full_name, metric.full_name)
    task = f"{metric.task}." if metric.task else ""
    device = f"@{metric.device}" if several_devices else ""
    return f"{task}{'measured' if measured else 'predicted'} ms{device}"


def format_score(
    metric: Metric,
    candidate: Candidate,
    number_format: NumberFormat = format_number,
    validation_images: int | None = None,
) -> str:
    """Return the score of a candidate in a metric.

    A predicted accuracy is followed by half the width of its 90 % interval, that of a training by
    both ends of its interval, and any figure that is an extrapolation by a star.

    Args:
        metric: The metric.
        candidate: The candidate.
        number_format: Format of costs and of other scores.
        validation_images: Number of validation images of the trainings, if there are any.
    """
    value = candidate.scores.get(metric.full_name)
    if value is None:
        return ""
    if metric.name == TRAINED and validation_images is not None:
        return format_accuracy(value, validation_images)
    if metric.is_cost or metric.source in (Source.PROXY, Source.EXTERNAL):
        return number_format(value)
    star = "*" if extrapolated(candidate.scores, metric.name) else ""
    low, high = INTERVALS.get(metric.name, ("", ""))
    if low in candidate.scores and high in candidate.scores:
        half_width = (candidate.scores[high] - candidate.scores[low]) / 2
        return f"{value:.1f} ±{half_width:.1f}{star}"
    return f"{value:.1f}{star}"


def _columns(run: Run, front: Sequence[Candidate]) -> list[tuple[Metric, bool]]:
    """Return the metric of each column, and True for its measured values."""
    costs = [Metric.parse(name) for name in COST_NAMES]
    task_costs = [cost.for_task(task) for task in run.config.tasks for cost in costs]
    objectives = [objective.metric for objective in run.config.objectives]
    metrics = [*objectives, *run.devices, *task_costs, *costs]
    if any(IMAGENET in candidate.scores for candidate in front):
        metrics.append(Metric.parse(IMAGENET))
    columns = []
    for metric in dict.fromkeys(metrics):
        columns.append((metric, False))
        if run.measured.get(metric.full_name):
            columns.append((metric, True))
    return columns


def _measured_cell(
    run: Run, metric: Metric, candidate: Candidate, number_format: NumberFormat
) -> str:
    record = run.measured[metric.full_name].get(candidate.key)
    return "" if record is None else number_format(record.ms)


def _cell(
    metric: Metric,
    candidate: Candidate,
    complete: Sequence[Candidate],
    number_format: NumberFormat,
    images: int | None,
) -> str:
    text = format_score(metric, candidate, number_format, images)
    if metric.source is not Source.PROXY:
        return text
    sign = metric.direction.sign
    name = metric.full_name
    # The sign turns scores into costs, of which less is better.
    own = sign * candidate.scores[name]
    not_better = sum(sign * other.scores[name] >= own for other in complete)
    return f"{text} ({100 * not_better / len(complete):.0f} %)"
