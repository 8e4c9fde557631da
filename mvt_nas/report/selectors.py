"""A candidate by name: the knee of the front, the best in an objective, or the best within limits."""

from __future__ import annotations

from collections.abc import Iterable

from mvt_nas.errors import MetricError, RunError, listing, nearest
from mvt_nas.nas.problem.objectives import Budget, worst_excess
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from mvt_nas.pareto import SIGN_AS_COST
from mvt_nas.report.insights import recommendations

_LIMITS = ("<", ">", "=")


def select_candidate(run: Run, name: str) -> int:
    """Return the number of the candidate that a name stands for.

    Args:
        run: where it is looked for.
        name: ``knee``; an objective, for the best of the front in it; or limits with commas
            between, such as ``latency_ms<=5,params<=2M``, for the best in the first objective
            within them. Of a latency, the device may be left out where there is only one.

    Raises:
        RunError: nothing is called so, or nothing is within the limits.
    """
    found = {one.name: one.number for one in recommendations(run)}
    if not found:
        raise RunError(f"{run.folder}: no candidate is complete, so there is none to choose")
    if any(sign in name for sign in _LIMITS):
        return _within(run, [_limit(run, text) for text in name.split(",")])
    full = _full(name, found)
    if full not in found:
        known = f"a number, {listing(found)}, or limits such as params<=2M"
        raise RunError(
            f"{run.folder}: no candidate is called {name!r}{nearest(name, found)} ({known})"
        )
    return found[full]


def _full(name: str, known: Iterable[str]) -> str:
    """Return the metric that is meant, with its device where that was left out and there is one only."""
    matching = [metric for metric in known if metric == name or metric.startswith(f"{name}@")]
    return matching[0] if len(matching) == 1 else name


def _limit(run: Run, text: str) -> Budget:
    known = run.complete()[0].scores
    metric, *_ = text.replace(">", "<").split("<")
    try:
        limit = Budget.parse(text.replace(metric, _full(metric.strip(), known), 1))
    except MetricError as error:
        raise RunError(f"{run.folder}: the limit {error.message}") from None
    if limit.metric not in known:
        raise RunError(
            f"{run.folder}: the limit {text!r} is on what its candidates have no figure for (known:"
            f" {listing(sorted(known))})"
        )
    return limit


def _within(run: Run, limits: list[Budget]) -> int:
    candidates = run.complete()
    inside = [candidate for candidate in candidates if worst_excess(limits, candidate.scores) <= 0]
    if not inside:
        ranges = {
            limit.metric: [candidate.scores[limit.metric] for candidate in candidates]
            for limit in limits
        }
        there = listing(
            f"{metric} is {min(values):.4g} to {max(values):.4g}"
            for metric, values in ranges.items()
        )
        raise RunError(f"{run.folder}: no candidate is within {listing(limits)} ({there})")
    return min(inside, key=lambda candidate: _order(run, candidate)).number


def _order(run: Run, candidate: Candidate) -> tuple[float, ...]:
    """Return what sorts the best in the first objective first; ties go on to the next one, so that nothing dominates what is chosen."""
    costs = (
        SIGN_AS_COST[objective.direction] * candidate.scores[objective.metric]
        for objective in run.config.objectives
    )
    return (*costs, candidate.number)
