"""Content of the plot of a run: candidates, front, budgets, models, measurements, baselines.

``front_figure.py`` draws it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mvt_nas.errors import RunError
from mvt_nas.metrics.names import INTERVALS, extrapolated
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from mvt_nas.space.published import published_names

_MOST_PANELS = 3

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class PlotPanel:
    """Content of one pair of axes.

    Attributes:
        x: Metric on the horizontal axis; ``None`` for the candidate's number.
        y: Metric on the vertical axis.
        others: Points off the front.
        front: Points on the front, in order of x.
        extrapolated: Those among them whose accuracy is an extrapolation.
        models: Name and point of each published model among the candidates.
        budgets: Axis (``"x"`` or ``"y"``) and value of each bound.
        measured: Predicted and measured point of each candidate with a measured latency.
        intervals: x, low end and high end of each point on the front whose y has an interval.
        baselines: Name and point of each baseline with known values for both axes.
    """

    x: str | None
    y: str
    others: tuple[Point, ...]
    front: tuple[Point, ...]
    models: tuple[tuple[str, float, float], ...]
    budgets: tuple[tuple[str, float], ...]
    measured: tuple[tuple[Point, Point], ...] = ()
    intervals: tuple[tuple[float, float, float], ...] = ()
    baselines: tuple[tuple[str, float, float], ...] = ()
    extrapolated: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class FrontPlot:
    """Content of the plot of a run.

    Attributes:
        title: Title above the panels.
        panels: Pairs of axes, from left to right.
    """

    title: str
    panels: tuple[PlotPanel, ...]


def front_plot(run: Run) -> FrontPlot:
    """Return the plot of a run: the first objective against each other one.

    Raises:
        RunError: No candidate is complete yet.
    """
    complete = run.complete()
    if not complete:
        raise RunError(f"{run.folder}: nothing to draw; no candidate is complete")
    front = run.front()
    y, *other_objectives = [objective.name for objective in run.config.objectives]
    xs: Sequence[str | None] = other_objectives[:_MOST_PANELS] or [None]
    title = f"{run.space.name}: {len(front)} on the front of {len(complete)} candidates"
    extrapolations = sum(extrapolated(candidate.scores, y) for candidate in complete)
    if extrapolations:
        count = "all" if extrapolations == len(complete) else extrapolations
        title += (
            f"\nhollow: accuracy is an extrapolation for {count} of them, unlike all networks that"
            " were trained or published"
        )
    return FrontPlot(title, tuple(_panel(run, x, y, complete, front) for x in xs))


def _panel(
    run: Run, x: str | None, y: str, complete: list[Candidate], front: list[Candidate]
) -> PlotPanel:
    def predicted_point(candidate: Candidate) -> Point:
        across = float(candidate.number) if x is None else candidate.scores[x]
        return across, candidate.scores[y]

    on_front = {candidate.number for candidate in front}
    published = set(published_names())
    budgets = [
        ("x" if budget.name == x else "y", budget.bound)
        for budget in run.config.budgets
        if budget.name in (x, y)
    ]
    intervals: list[tuple[float, float, float]] = []
    low, high = INTERVALS.get(y, ("", ""))
    for candidate in front:
        across, _ = predicted_point(candidate)
        if low in candidate.scores and high in candidate.scores:
            intervals.append((across, candidate.scores[low], candidate.scores[high]))
    return PlotPanel(
        x,
        y,
        others=tuple(predicted_point(c) for c in complete if c.number not in on_front),
        front=tuple(sorted(predicted_point(c) for c in front)),
        extrapolated=tuple(sorted(predicted_point(c) for c in front if extrapolated(c.scores, y))),
        models=tuple((c.origin, *predicted_point(c)) for c in complete if c.origin in published),
        budgets=tuple(budgets),
        measured=tuple(_measured_points(run, x, y, complete, predicted_point)),
        intervals=tuple(intervals),
        baselines=tuple(
            (baseline.name, baseline.scores[x], baseline.scores[y])
            for baseline in run.baselines
            if x is not None and x in baseline.scores and y in baseline.scores
        ),
    )


def _measured_points(
    run: Run,
    x: str | None,
    y: str,
    candidates: Sequence[Candidate],
    predicted_point: Callable[[Candidate], Point],
) -> Iterator[tuple[Point, Point]]:
    """Yield the predicted and the measured point of each candidate with a measured latency."""
    records_of_x = {} if x is None else run.measured.get(x, {})
    records_of_y = run.measured.get(y, {})
    for candidate in candidates:
        record_x = records_of_x.get(candidate.key)
        record_y = records_of_y.get(candidate.key)
        predicted = predicted_point(candidate)
        measured = (
            record_x.ms if record_x else predicted[0],
            record_y.ms if record_y else predicted[1],
        )
        if measured != predicted:
            yield predicted, measured
