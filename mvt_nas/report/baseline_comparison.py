"""How networks from elsewhere stand against the front of a run: who dominates them, and whom they dominate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from mvt_nas.metrics.metric import Metric
from mvt_nas.nas.runs.baseline import Baseline
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from mvt_nas.pareto import cost_signs, dominating_points, most_evenly
from mvt_nas.report.insights import DominatedModel, spans


@dataclass(frozen=True, slots=True)
class BaselineComparison:
    """How a baseline stands against the front of a run, by those objectives that are known of it.

    Attributes:
        baseline: the network.
        compared: the objectives that are known of it.
        unknown: those that are not.
        dominated_by: numbers of the candidates on the front that dominate it.
        dominates: numbers of those that it dominates.
        beaten: the candidate that dominates it most evenly, and by how much; ``None`` where none
            does.
    """

    baseline: Baseline
    compared: tuple[str, ...]
    unknown: tuple[str, ...]
    dominated_by: tuple[int, ...]
    dominates: tuple[int, ...]
    beaten: DominatedModel | None

    @property
    def on_front(self) -> bool:
        """Whether it would be on the front itself; only where all objectives are known of it."""
        return not self.unknown and not self.dominated_by


def compare_baselines(run: Run) -> list[BaselineComparison]:
    """Return how each baseline of a run stands."""
    return [compare_baseline(run, baseline) for baseline in run.baselines]


def compare_baseline(run: Run, baseline: Baseline) -> BaselineComparison:
    """Return how a baseline stands."""
    objectives, front = run.config.objectives, run.front()
    places = [
        place for place, objective in enumerate(objectives) if objective.name in baseline.scores
    ]
    known = [objectives[place] for place in places]
    compared = tuple(objective.name for objective in known)
    unknown = tuple(objective.name for objective in objectives if objective.name not in compared)
    if not places or not front:
        return BaselineComparison(baseline, compared, unknown, (), (), None)
    signs = cost_signs([objective.direction for objective in known])
    own = np.array([baseline.scores[metric] for metric in compared]) * signs
    columns = [_beside(run, baseline, objective.metric, front) for objective in known]
    costs = np.column_stack(columns) * signs
    best = most_evenly(own, costs, spans(run)[places])
    gains = {} if best is None else dict(zip(compared, (own - costs[best]).tolist(), strict=True))
    return BaselineComparison(
        baseline,
        compared,
        unknown,
        tuple(front[place].number for place in np.flatnonzero(dominating_points(own, costs))),
        tuple(
            candidate.number
            for candidate, cost in zip(front, costs, strict=True)
            if dominating_points(cost, own[None]).any()
        ),
        None if best is None else DominatedModel(baseline.name, front[best].number, gains),
    )


def comparison_summary(run: Run, found: BaselineComparison) -> str:
    """Return in words how a baseline stands."""
    n, unknown = (
        len(run.front()),
        f"its {' and '.join(found.unknown)} {'is' if len(found.unknown) == 1 else 'are'} not known",
    )
    if not n or not found.compared:
        return f"nothing to compare: {unknown}" if n else "the front is empty"
    alone = f" by {' and '.join(found.compared)} alone ({unknown})" if found.unknown else ""
    if found.beaten is not None:
        count = len(found.dominated_by)
        return (
            f"{count} of the {n} on the front dominate{'s' * (count == 1)} it{alone}, candidate"
            f" {found.beaten.by} most evenly"
        )
    others = f", and dominates {len(found.dominates)} of them" if found.dominates else ""
    return f"none of the {n} on the front dominates it{alone}" + (
        f": it would be on the front{others}" if found.on_front else ""
    )


def origin_of(baseline: Baseline, metric: str) -> str:
    """Return in a word where a baseline's figure comes from: given, measured, or counted."""
    return (
        "given"
        if metric in baseline.given
        else "measured"
        if metric in baseline.measured
        else "counted"
    )


def _beside(
    run: Run, baseline: Baseline, metric: Metric, front: Sequence[Candidate]
) -> NDArray[np.float64]:
    """Return a metric of candidates as it compares with the baseline's.

    Where that is a measured latency, so are theirs, in the state that the machine was in then, by
    the reference model, which is in all measurements. Those that were not measured are taken at their predictions times the median of
    measured by predicted.
    """
    name = metric.full_name
    predicted = np.array([candidate.scores[name] for candidate in front])
    if name not in baseline.measured:
        return predicted
    probe_ms = baseline.measured[name].get("probe_ms")
    found = {
        key: one.ms * _state(probe_ms, one.probe_ms)
        for key, one in run.measured.get(name, {}).items()
    }
    ratios = [found[key] / one.predicted_ms for key, one in run.measured.get(name, {}).items()]
    factor = (
        median(ratios)
        if ratios
        else _state(probe_ms, run.devices[metric].reference_ms if metric in run.devices else None)
    )
    return np.array(
        [
            found.get(candidate.key, factor * ms)
            for candidate, ms in zip(front, predicted, strict=True)
        ]
    )


def _state(now_ms: float | None, then_ms: float | None) -> float:
    """Return the slowdown of a machine by its reference model; 1 where it is not known."""
    return now_ms / then_ms if now_ms and then_ms else 1.0
