"""What a page shows, as plain data; nothing here knows how it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas.errors import RunError
from mvt_nas.nas.problem.inputs import predict_single
from mvt_nas.nas.problem.metrics import find_metric
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.baseline_comparison import (
    BaselineComparison,
    compare_baselines,
    comparison_summary,
    origin_of,
)
from mvt_nas.report.cached_run import cached_run
from mvt_nas.report.comparison import compare_runs
from mvt_nas.report.html import columns
from mvt_nas.report.insights import (
    common_choices,
    dominated_models,
    failures,
    importances,
    recommendations,
    sampled,
)
from mvt_nas.report.labels import label, short_label, short_name
from mvt_nas.report.provenance import again, measured, provenance, taken
from mvt_nas.report.random_comparison import joint_curves, random_curves
from mvt_nas.space.published import published_names, zoo

_MOST = 20_000  # candidates off the front that a page holds
_POINTS, _POINTS_OF_MANY = (
    400,
    200,
)  # of a curve, and of one of more than _MOST candidates, whose fronts may be large
_SHOWN_HABITS = 12
_IMPORTANT = 6  # dimensions of each objective in the parallel coordinates
_FORMAT = 1


def content(runs: Sequence[Run]) -> dict[str, Any]:
    """Return what the page of one or several runs shows.

    Raises:
        RunError: nothing is complete, or the runs cannot be compared.
    """
    for run in runs:
        if not run.complete():
            raise RunError(f"{run.folder}: nothing to show; no candidate is complete")
    runs = [cached_run(run) for run in runs]
    compared = [_compared(one) for one in compare_runs(runs)] if len(runs) > 1 else []
    candidates, objectives = (
        columns.shown(runs, _MOST),
        [objective.name for objective in runs[0].config.objectives],
    )
    important = [importances(run) for run in runs]
    numbers = columns.scores(runs, candidates)
    return {
        "format": _FORMAT,
        "title": _title(runs),
        "metrics": [_metric(name, runs[0]) for name in dict.fromkeys([*objectives, *numbers])],
        "objectives": objectives,
        "budgets": [
            {"metric": budget.name, "at_most": budget.at_most, "bound": budget.bound}
            for budget in runs[0].config.budgets
        ],
        "runs": [_run(*one) for one in zip(runs, important, _growths(runs), strict=True)],
        "compared": compared,
        "ids": [one.candidate.number for one in candidates],
        "run": [one.run for one in candidates],
        "front": [place for place, one in enumerate(candidates) if one.on_front],
        "named": _named(candidates),
        "references": _references(runs[0]),
        "baselines": [_baseline(run, one) for run in runs for one in compare_baselines(run)],
        "numbers": numbers,
        "parts": columns.parts(runs, candidates),
        "choices": (
            columns.chosen(runs[0], candidates, _most_important(important[0]))
            if len(runs) == 1
            else {}
        ),
    }


def _title(runs: Sequence[Run]) -> str:
    names = ", ".join(dict.fromkeys(run.space.name for run in runs))
    return names if len(runs) == 1 else f"{names}: {len(runs)} runs"


def _metric(name: str, run: Run) -> dict[str, Any]:
    """Return what is to be known of a metric to draw it."""
    base = name.removeprefix(columns.MEASURED)
    words, short = (
        (label(base), short_label(base))
        if base == name
        else (label(base).replace("predicted", "measured"), f"measured, {short_label(base)}")
    )
    metric = find_metric(base)
    own = None if metric is None else metric.direction
    objectives = {objective.name: objective.direction for objective in run.config.objectives}
    return {
        "name": name,
        "label": words,
        "short": short,
        "direction": objectives.get(name, own),
        "log": metric is not None and metric.is_cost,
        "objective": name in objectives,
    }


def _named(candidates: Sequence[columns.ShownCandidate]) -> list[dict[str, Any]]:
    """Return the candidates that have a name of their own: published models, once each."""
    found = [
        (place, one.candidate.origin)
        for place, one in enumerate(candidates)
        if one.candidate.origin != "sampler"
    ]
    once = {origin: place for place, origin in reversed(found)}
    return [
        {"place": place, "name": origin, "short": short_name(origin)}
        for origin, place in reversed(once.items())
    ]


def _references(run: Run) -> list[dict[str, Any]]:
    """Return the published models of the space that are no candidates, such as those beyond a budget, with what is known of them."""
    there = {candidate.origin for candidate in run.complete()}
    found = {name: zoo(name) for name in published_names() if name not in there}
    found = {
        name: architecture
        for name, architecture in found.items()
        if run.space.contains(architecture)
    }
    if not found:
        return []
    scores = predict_single(run.inputs, list(found.values()), run.config.num_classes)
    return [
        {
            "name": name,
            "short": short_name(name),
            "scores": {metric: column[place] for metric, column in scores.items()},
        }
        for place, name in enumerate(found)
    ]


def _baseline(run: Run, found: BaselineComparison) -> dict[str, Any]:
    own = found.baseline
    return {
        "name": own.name,
        "source": own.source,
        "resolution_px": own.resolution_px,
        "scores": dict(own.scores),
        "origins": {metric: origin_of(own, metric) for metric in own.scores},
        "labels": {metric: label(metric) for metric in own.scores},
        "verdict": comparison_summary(run, found),
        "gains": (
            None if found.beaten is None else {"by": found.beaten.by, "gains": found.beaten.gains}
        ),
        "notes": list(own.notes),
    }


def _run(run: Run, shares: dict[str, dict[str, float]], growth: dict[str, Any]) -> dict[str, Any]:
    statuses = [candidate.status for candidate in run.candidates.values()]
    return {
        "name": str(run.folder),
        "candidates": {status: statuses.count(status) for status in dict.fromkeys(statuses)},
        "front": len(run.front()),
        "objectives": [str(objective) for objective in run.config.objectives],
        "chosen": [{"number": one.number, "why": one.why} for one in recommendations(run)],
        "take": taken(run, "ID"),
        "growth": growth,
        "importance": shares,
        "sampled": sampled(run),
        "habits": [
            {
                "dimension": one.dimension,
                "value": one.value,
                "on_front": one.on_front,
                "elsewhere": one.elsewhere,
            }
            for one in common_choices(run)[:_SHOWN_HABITS]
        ],
        "published": sum(candidate.origin != "sampler" for candidate in run.complete()),
        "beaten": [
            {"model": one.model, "by": one.by, "gains": one.gains} for one in dominated_models(run)
        ],
        "failures": [{"reason": reason, "count": count} for reason, count in failures(run)],
        "provenance": provenance(run),
        "again": again(run),
        "measure": measured(run),
    }


def _growths(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return how the front of each run grew, at places evenly spread over its candidates."""
    after = [_places(len(run.candidates)) for run in runs]
    found = (
        [random_curves(runs[0], after[0])]
        if len(runs) == 1
        else [(own, None) for own in joint_curves(runs, after)]
    )
    return [
        {"after": counts, "own": _shares(own), "chance": _shares(chance)}
        for counts, (own, chance) in zip(after, found, strict=True)
    ]


def _places(count: int) -> list[int]:
    points = _POINTS if count <= _MOST else _POINTS_OF_MANY
    places: list[int] = (
        np.unique(np.linspace(0, count - 1, points).round().astype(int)) + 1
    ).tolist()
    return places


def _shares(curve: NDArray[np.float64] | None) -> list[float] | None:
    return None if curve is None else [round(share, 5) for share in curve.tolist()]


def _compared(one: Any) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__slots__}


def _most_important(shares: dict[str, dict[str, float]]) -> list[str]:
    return list(
        dict.fromkeys(name for found in shares.values() for name in list(found)[:_IMPORTANT])
    )
