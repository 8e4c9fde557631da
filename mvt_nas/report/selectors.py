"""Selection of a candidate: the knee, the best in an objective, or the best within limits."""

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


def load_candidate(folder: str, which: str) -> tuple[Run, int]:
    """Return a run and the number of one of its candidates.

    Args:
        folder: Folder of the run.
        which: Number of the candidate, or a name as in :func:`select_candidate`.

    Raises:
        RunError: There is no such run, or the name selects no candidate.
    """
    run = Run.load(folder)
    return run, int(which) if which.isdecimal() else select_candidate(run, which)


def select_candidate(run: Run, name: str) -> int:
    """Return the number of the candidate that a name selects.

    Args:
        run: Run with the candidates.
        name: ``best``, within the budgets; ``knee``; an objective, for the best candidate in it;
            or limits separated by commas, such as ``latency_ms<=5,params<=2M``, for the best
            candidate in the first objective within them. The device of a latency may be left out
            if there is only one.

    Raises:
        RunError: The name is unknown, or no candidate is within the limits.
    """
    found = {choice.name: choice.number for choice in recommendations(run)}
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
    """Return the full name of a metric; the device of a latency is added if there is only one."""
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
            f"{run.folder}: the limit {text!r} is on a metric that its candidates do not have"
            f" (known: {listing(sorted(known))})"
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
        available = listing(
            f"{metric} is {min(values):.4g} to {max(values):.4g}"
            for metric, values in ranges.items()
        )
        raise RunError(f"{run.folder}: no candidate is within {listing(limits)} ({available})")
    return min(inside, key=lambda candidate: _order(run, candidate)).number


def _order(run: Run, candidate: Candidate) -> tuple[float, ...]:
    """Return a sort key by the objectives in order; the first candidate is not dominated."""
    costs = (
        objective.cost(candidate.scores[objective.name]) for objective in run.config.objectives
    )
    return (*costs, candidate.number)
