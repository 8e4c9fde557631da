"""Comparison of baselines with the front of a run by dominance, as far as intervals support it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mvt_nas.metrics.names import INTERVALS
from mvt_nas.nas.runs.baseline import Baseline
from mvt_nas.nas.runs.run import Run
from mvt_nas.pareto import cost_signs, dominating_points, most_evenly
from mvt_nas.report.comparable_scores import comparable_scores
from mvt_nas.report.confidence import has_interval, intervals_confirm
from mvt_nas.report.insights import DominatedModel, spans
from mvt_nas.report.switch import Switch, should_switch


@dataclass(frozen=True, slots=True)
class BaselineComparison:
    """Comparison of a baseline with the front of a run, by the objectives known for the baseline.

    In an objective with an interval, a network only dominates where it is better with 90 %, and
    never by an extrapolation.

    Attributes:
        baseline: The baseline.
        compared: Objectives whose values are known for the baseline.
        unknown: Objectives whose values are not known.
        dominated_by: Numbers of the candidates on the front that dominate the baseline.
        estimated_by: Numbers of those that would dominate it by their estimates alone, although
            the intervals do not show it.
        dominates: Numbers of the candidates on the front that the baseline dominates.
        beaten: The candidate that dominates the baseline most evenly, with its gains; ``None`` if
            no candidate dominates it.
        switch: Whether to switch to a candidate.
    """

    baseline: Baseline
    compared: tuple[str, ...]
    unknown: tuple[str, ...]
    dominated_by: tuple[int, ...]
    estimated_by: tuple[int, ...]
    dominates: tuple[int, ...]
    beaten: DominatedModel | None
    switch: Switch

    @property
    def on_front(self) -> bool:
        """Whether the baseline would be on the front; only if all its objectives are known."""
        return not self.unknown and not self.dominated_by and not self.estimated_by


def compare_baselines(run: Run) -> list[BaselineComparison]:
    """Return the comparison of each baseline of a run with the front."""
    return [compare_baseline(run, baseline) for baseline in run.baselines]


def compare_baseline(run: Run, baseline: Baseline) -> BaselineComparison:
    """Return the comparison of a baseline with the front of a run."""
    objectives = run.config.objectives
    front = run.front()
    indices = [
        index for index, objective in enumerate(objectives) if objective.name in baseline.scores
    ]
    known = [objectives[index] for index in indices]
    compared = tuple(objective.name for objective in known)
    unknown = tuple(objective.name for objective in objectives if objective.name not in compared)
    switch = should_switch(run, baseline)
    if not indices or not front:
        return BaselineComparison(baseline, compared, unknown, (), (), (), None, switch)

    scores = comparable_scores(run, baseline, front)
    signs = cost_signs([objective.direction for objective in known])
    own = np.array([baseline.scores[metric] for metric in compared]) * signs
    costs = np.array([[values[metric] for metric in compared] for values in scores]) * signs
    estimated = np.flatnonzero(dominating_points(own, costs)).tolist()
    sure = [
        index for index in estimated if intervals_confirm(compared, scores[index], baseline.scores)
    ]
    beaten = None
    best = most_evenly(own, costs[sure], spans(run)[indices])
    if best is not None:
        gains = dict(zip(compared, (own - costs[sure[best]]).tolist(), strict=True))
        beaten = DominatedModel(baseline.name, front[sure[best]].number, gains)
    worse = [index for index, cost in enumerate(costs) if dominating_points(cost, own[None]).any()]
    return BaselineComparison(
        baseline,
        compared,
        unknown,
        tuple(front[index].number for index in sure),
        tuple(front[index].number for index in estimated if index not in set(sure)),
        tuple(
            front[index].number
            for index in worse
            if intervals_confirm(compared, baseline.scores, scores[index])
        ),
        beaten,
        switch,
    )


def comparison_summary(run: Run, comparison: BaselineComparison) -> str:
    """Return the comparison of a baseline with the front, and whether to switch, as a phrase."""
    if not run.front():
        return "the front is empty"
    return f"{_dominance(run, comparison)}. Should you switch? {comparison.switch}"


def _dominance(run: Run, comparison: BaselineComparison) -> str:
    size = len(run.front())
    verb = "is" if len(comparison.unknown) == 1 else "are"
    unknown = f"its {' and '.join(comparison.unknown)} {verb} not known"
    if not comparison.compared:
        return f"nothing to compare: {unknown}"

    limited = ""
    if comparison.unknown:
        limited = f" by {' and '.join(comparison.compared)} alone ({unknown})"
    if comparison.beaten is not None:
        count = len(comparison.dominated_by)
        return (
            f"{count} of the {size} on the front dominate{'s' if count == 1 else ''} it{limited},"
            f" candidate {comparison.beaten.by} most evenly"
        )
    if comparison.estimated_by:
        count = len(comparison.estimated_by)
        return (
            f"none of the {size} on the front dominates it with 90 %{limited}, {count}"
            f" do{'es' if count == 1 else ''} by the estimates alone"
        )
    text = f"none of the {size} on the front dominates it{limited}"
    if not comparison.on_front:
        return text
    dominated = len(comparison.dominates)
    others = f", and dominates {dominated} of them" if dominated else ""
    return f"{text}: it would be on the front{others}"


def shown_metrics(baseline: Baseline) -> list[str]:
    """Return the metrics of a baseline without the ends of intervals, which go with their value."""
    ends = {end for name in INTERVALS if name in baseline.scores for end in INTERVALS[name]}
    return [name for name in baseline.scores if name not in ends]


def origin_of(baseline: Baseline, metric: str) -> str:
    """Return the origin of a value: ``given``, ``measured``, ``predicted`` or ``counted``."""
    if metric in baseline.given:
        return "given"
    if metric in baseline.measured:
        return "measured"
    return "predicted" if metric in baseline.predicted else "counted"


def format_baseline_value(
    baseline: Baseline, metric: str, number_format: Callable[[float], str]
) -> str:
    """Return a value of a baseline, with its origin unless it was counted, and its interval."""
    if metric not in baseline.scores:
        return ""
    text = number_format(baseline.scores[metric])
    origin = origin_of(baseline, metric)
    if has_interval(metric, baseline.scores) and origin == "predicted":
        low, high = (number_format(baseline.scores[end]) for end in INTERVALS[metric])
        return f"{text} (predicted, {low} to {high})"
    return text if origin == "counted" else f"{text} ({origin})"
