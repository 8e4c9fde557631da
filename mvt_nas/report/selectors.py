"""A candidate by name: the knee of the front, the best in an objective, or the best within limits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mvt_nas.errors import MetricError, RunError, listing, nearest
from mvt_nas.metrics.metric import Metric
from mvt_nas.nas.problem.metrics import parse_metric
from mvt_nas.nas.problem.objectives import Budget, worst_excess
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
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
    """Return the full name of a metric, of a latency with its device if there is only one."""
    matching = [full for full in known if name in (full, _without_device(full))]
    return matching[0] if len(matching) == 1 else name


def _without_device(name: str) -> str:
    metric = Metric.find(name)
    return name if metric is None else metric.on_device(None).full_name


def _limit(run: Run, text: str) -> Budget:
    known = run.complete()[0].scores
    try:
        limit = Budget.parse(text)
    except MetricError as error:
        raise RunError(f"{run.folder}: the limit {error.message}") from None
    limit = replace(limit, metric=parse_metric(_full(limit.name, known)))
    if limit.name not in known:
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
            limit.name: [candidate.scores[limit.name] for candidate in candidates]
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
        objective.cost(candidate.scores[objective.name]) for objective in run.config.objectives
    )
    return (*costs, candidate.number)
