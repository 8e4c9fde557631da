"""Content of the HTML page as plain data; the scripts of the page draw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.errors import RunError
from mvt_nas.nas.problem.inputs import predict_single
from mvt_nas.nas.problem.metrics import find_metric
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.accuracy_notes import accuracy_notes
from mvt_nas.report.baseline_comparison import (
    BaselineComparison,
    compare_baselines,
    comparison_summary,
    origin_of,
    shown_metrics,
)
from mvt_nas.report.cached_run import cached_run
from mvt_nas.report.comparison import compare_runs
from mvt_nas.report.html import columns
from mvt_nas.report.insights import (
    common_choices,
    dominance_summary,
    dominated_models,
    failures,
    importances,
    recommendations,
    sampled,
)
from mvt_nas.report.labels import label, short_label, short_name
from mvt_nas.report.provenance import (
    export_command,
    measure_command,
    provenance,
    reproduce_command,
)
from mvt_nas.report.random_comparison import joint_curves, random_curves
from mvt_nas.space.published import published_names, zoo

_FORMAT = 1

# Candidates off the front that a page holds.
_MOST = 20_000

# Points of a hypervolume curve; fewer for runs of more than _MOST candidates, whose fronts may be
# large.
_POINTS = 400
_POINTS_OF_MANY = 200

_MOST_COMMON_CHOICES = 12

# Dimensions per objective in the parallel coordinates.
_IMPORTANT = 6


def content(runs: Sequence[Run]) -> dict[str, Any]:
    """Return the content of the page of one or several runs.

    Raises:
        RunError: Nothing is complete, or the runs cannot be compared.
    """
    for run in runs:
        if not run.complete():
            raise RunError(f"{run.folder}: nothing to show; no candidate is complete")
    runs = [cached_run(run) for run in runs]
    candidates = columns.shown(runs, _MOST)
    objectives = [objective.name for objective in runs[0].config.objectives]
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
        "compared": [asdict(one) for one in compare_runs(runs)] if len(runs) > 1 else [],
        "ids": [one.candidate.number for one in candidates],
        "run": [one.run for one in candidates],
        "front": [index for index, one in enumerate(candidates) if one.on_front],
        "named": _named(candidates),
        "references": _references(runs[0]),
        "baselines": [_baseline(run, one) for run in runs for one in compare_baselines(run)],
        "numbers": numbers,
        "extrapolated": columns.extrapolations(candidates, list(numbers)),
        "notes": [note for run in runs for note in accuracy_notes(run)],
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
    """Return the labels, the direction and the scale of a metric."""
    base = name.removeprefix(columns.MEASURED)
    full, short = label(base), short_label(base)
    if base != name:
        full = full.replace("predicted", "measured")
        short = f"measured, {short}"
    metric = find_metric(base)
    own = None if metric is None else metric.direction
    objectives = {objective.name: objective.direction for objective in run.config.objectives}
    return {
        "name": name,
        "label": full,
        "short": short,
        "direction": objectives.get(name, own),
        "log": metric is not None and metric.is_cost,
        "objective": name in objectives,
    }


def _named(candidates: Sequence[columns.ShownCandidate]) -> list[dict[str, Any]]:
    """Return the candidates with a name: published models, once each."""
    first_index: dict[str, int] = {}
    for index, one in enumerate(candidates):
        if one.candidate.origin != "sampler":
            first_index.setdefault(one.candidate.origin, index)
    return [
        {"place": index, "name": origin, "short": short_name(origin)}
        for origin, index in first_index.items()
    ]


def _references(run: Run) -> list[dict[str, Any]]:
    """Return the published models of the space that are not candidates, with their known scores.

    Models beyond a budget are among them.
    """
    candidates = {candidate.origin for candidate in run.complete()}
    models = {}
    for name in published_names():
        architecture = zoo(name)
        if name not in candidates and run.space.contains(architecture):
            models[name] = architecture
    if not models:
        return []
    scores = predict_single(run.inputs, list(models.values()), run.config.num_classes)
    return [
        {
            "name": name,
            "short": short_name(name),
            "scores": {metric: column[index] for metric, column in scores.items()},
        }
        for index, name in enumerate(models)
    ]


def _baseline(run: Run, comparison: BaselineComparison) -> dict[str, Any]:
    baseline = comparison.baseline
    beaten = comparison.beaten
    metrics = shown_metrics(baseline)
    return {
        "name": baseline.name,
        "source": baseline.source,
        "resolution_px": baseline.resolution_px,
        "scores": {metric: baseline.scores[metric] for metric in metrics},
        "origins": {metric: origin_of(baseline, metric) for metric in metrics},
        "labels": {metric: label(metric) for metric in metrics},
        "summary": comparison_summary(run, comparison),
        "gains": None if beaten is None else {"by": beaten.by, "gains": beaten.gains},
        "notes": list(baseline.notes),
    }


def _run(run: Run, shares: dict[str, dict[str, float]], growth: dict[str, Any]) -> dict[str, Any]:
    dominated = dominated_models(run)
    published = sum(candidate.origin != "sampler" for candidate in run.complete())
    statuses = [candidate.status for candidate in run.candidates.values()]
    return {
        "name": str(run.folder),
        "candidates": {status: statuses.count(status) for status in dict.fromkeys(statuses)},
        "front": len(run.front()),
        "objectives": [str(objective) for objective in run.config.objectives],
        "chosen": [{"number": one.number, "why": one.why} for one in recommendations(run)],
        "export": export_command(run, "ID"),
        "growth": growth,
        "importance": shares,
        "sampled": sampled(run),
        "common_choices": [asdict(one) for one in common_choices(run)[:_MOST_COMMON_CHOICES]],
        "published": published,
        "dominated": [asdict(one) for one in dominated],
        "dominance": dominance_summary(dominated, published),
        "failures": [{"reason": reason, "count": count} for reason, count in failures(run)],
        "provenance": provenance(run),
        "reproduce": reproduce_command(run),
        "measure": measure_command(run),
    }


def _growths(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the hypervolume curve of each run, after trials evenly spread over its candidates.

    The curve of the random baseline belongs to the page of a single run.
    """
    trials = [_evenly_spread_trials(len(run.candidates)) for run in runs]
    curves: list[tuple[FloatArray, FloatArray | None]]
    if len(runs) == 1:
        curves = [random_curves(runs[0], trials[0])]
    else:
        curves = [(own, None) for own in joint_curves(runs, trials)]
    return [
        {"after": after, "own": _shares(own), "random": _shares(random)}
        for after, (own, random) in zip(trials, curves, strict=True)
    ]


def _evenly_spread_trials(count: int) -> list[int]:
    points = _POINTS if count <= _MOST else _POINTS_OF_MANY
    indices = np.unique(np.linspace(0, count - 1, points).round().astype(int))
    return [int(index) + 1 for index in indices]


def _shares(curve: FloatArray | None) -> list[float] | None:
    return None if curve is None else [round(share, 5) for share in curve.tolist()]


def _most_important(shares: dict[str, dict[str, float]]) -> list[str]:
    return list(
        dict.fromkeys(name for found in shares.values() for name in list(found)[:_IMPORTANT])
    )
