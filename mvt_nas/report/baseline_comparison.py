"""Comparison of baselines with the front of a run by dominance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.metrics.metric import Metric
from mvt_nas.nas.runs.baseline import Baseline
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from mvt_nas.pareto import cost_signs, dominating_points, most_evenly
from mvt_nas.report.insights import DominatedModel, spans


@dataclass(frozen=True, slots=True)
class BaselineComparison:
    """Comparison of a baseline with the front of a run, by the objectives known for the baseline.

    Attributes:
        baseline: The baseline.
        compared: Objectives whose values are known for the baseline.
        unknown: Objectives whose values are not known.
        dominated_by: Numbers of the candidates on the front that dominate the baseline.
        dominates: Numbers of the candidates on the front that the baseline dominates.
        beaten: The candidate that dominates the baseline most evenly, with its gains; ``None`` if
            no candidate dominates it.
    """

    baseline: Baseline
    compared: tuple[str, ...]
    unknown: tuple[str, ...]
    dominated_by: tuple[int, ...]
    dominates: tuple[int, ...]
    beaten: DominatedModel | None

    @property
    def on_front(self) -> bool:
        """Whether the baseline would be on the front; only if all its objectives are known."""
        return not self.unknown and not self.dominated_by


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
    if not indices or not front:
        return BaselineComparison(baseline, compared, unknown, (), (), None)

    signs = cost_signs([objective.direction for objective in known])
    own = np.array([baseline.scores[metric] for metric in compared]) * signs
    columns = [_comparable_scores(run, baseline, item.metric, front) for item in known]
    costs = np.column_stack(columns) * signs
    beaten = None
    best = most_evenly(own, costs, spans(run)[indices])
    if best is not None:
        gains = dict(zip(compared, (own - costs[best]).tolist(), strict=True))
        beaten = DominatedModel(baseline.name, front[best].number, gains)
    return BaselineComparison(
        baseline,
        compared,
        unknown,
        tuple(front[index].number for index in np.flatnonzero(dominating_points(own, costs))),
        tuple(
            candidate.number
            for candidate, cost in zip(front, costs, strict=True)
            if dominating_points(cost, own[None]).any()
        ),
        beaten,
    )


def comparison_summary(run: Run, comparison: BaselineComparison) -> str:
    """Return the comparison of a baseline with the front as a phrase."""
    size = len(run.front())
    verb = "is" if len(comparison.unknown) == 1 else "are"
    unknown = f"its {' and '.join(comparison.unknown)} {verb} not known"
    if not size:
        return "the front is empty"
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
    text = f"none of the {size} on the front dominates it{limited}"
    if not comparison.on_front:
        return text
    dominated = len(comparison.dominates)
    others = f", and dominates {dominated} of them" if dominated else ""
    return f"{text}: it would be on the front{others}"


def origin_of(baseline: Baseline, metric: str) -> str:
    """Return the origin of a value of a baseline: ``given``, ``measured`` or ``counted``."""
    if metric in baseline.given:
        return "given"
    return "measured" if metric in baseline.measured else "counted"


def format_baseline_value(
    baseline: Baseline, metric: str, number_format: Callable[[float], str]
) -> str:
    """Return a value of a baseline, followed by its origin unless it was counted."""
    if metric not in baseline.scores:
        return ""
    text = number_format(baseline.scores[metric])
    origin = origin_of(baseline, metric)
    return text if origin == "counted" else f"{text} ({origin})"


def _comparable_scores(
    run: Run, baseline: Baseline, metric: Metric, front: Sequence[Candidate]
) -> FloatArray:
    """Return the scores of candidates that are comparable with the baseline's, (candidates,).

    If the baseline's latency was measured, the candidates' latencies are measured ones too, scaled
    to the state of the machine at that time by the reference model, which is part of all
    measurements. For candidates without a measurement, the prediction is multiplied by the median
    ratio of measured to predicted latencies.
    """
    name = metric.full_name
    predicted = np.array([candidate.scores[name] for candidate in front])
    if name not in baseline.measured:
        return predicted
    probe_ms = baseline.measured[name].get("probe_ms")
    records = run.measured.get(name, {})
    scaled = {
        key: record.ms * _slowdown(probe_ms, record.probe_ms) for key, record in records.items()
    }
    if records:
        factor = median(scaled[key] / record.predicted_ms for key, record in records.items())
    else:
        profiled_ms = run.devices[metric].reference_ms if metric in run.devices else None
        factor = _slowdown(probe_ms, profiled_ms)
    return np.array(
        [
            scaled.get(candidate.key, factor * predicted_ms)
            for candidate, predicted_ms in zip(front, predicted, strict=True)
        ]
    )


def _slowdown(now_ms: float | None, then_ms: float | None) -> float:
    """Return the slowdown of a machine by its reference model; 1 if it is not known."""
    return now_ms / then_ms if now_ms and then_ms else 1.0
