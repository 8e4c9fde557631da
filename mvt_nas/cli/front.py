"""The front of a run on the terminal: a table with notes, and JSON."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import Any

import click

from mvt_nas.cli.baselines import baseline_lines, baselines_document
from mvt_nas.cli.measure_front import format_agreement
from mvt_nas.cli.render import print_table
from mvt_nas.metrics.metric import Metric
from mvt_nas.metrics.names import LATENCY, TRAINED
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.accuracy_notes import accuracy_notes
from mvt_nas.report.formatting import format_number
from mvt_nas.report.front_table import KINDS_NOTE, format_score, front_table
from mvt_nas.report.insights import Recommendation, best_within_budgets
from mvt_nas.report.trained_accuracy import trained_interval, validation_images

_MEASURED = ("ms", "low_ms", "high_ms", "predicted_ms", "probe_ms")


def front_document(run: Run) -> dict[str, Any]:
    """Return the front of a run as plain data."""
    front = [
        {
            "id": candidate.number,
            "key": candidate.key,
            "origin": candidate.origin,
            "scores": dict(candidate.scores),
            "intervals": _intervals(run, candidate),
            "measured": _measured_document(run, candidate),
            "architecture": run.architecture(candidate.number).to_dict(),
        }
        for candidate in run.front()
    ]
    return {
        "run": str(run.folder),
        "objectives": [str(objective) for objective in run.config.objectives],
        "devices": dict(run.config.devices),
        "candidates": len(run.candidates),
        "front": front,
        "knee": run.knee(),
        "hypervolume": run.hypervolume(),
        "reference": dict(run.config.reference),
        "baselines": baselines_document(run),
        "notes": list(accuracy_notes(run)),
    }


def _intervals(run: Run, candidate: Candidate) -> dict[str, list[float]]:
    """Return the 90 % interval of the trained accuracy by its name, if there is one."""
    interval = trained_interval(run, candidate.scores)
    return {} if interval is None else {TRAINED: [round(end, 4) for end in interval]}


def _measured_document(run: Run, candidate: Candidate) -> dict[str, dict[str, float | None]]:
    return {
        metric: {name: getattr(records[candidate.key], name) for name in _MEASURED}
        for metric, records in run.measured.items()
        if candidate.key in records
    }


def print_front(run: Run) -> None:
    """Print the front, one line per architecture, with notes on its values and the baselines."""
    table = front_table(run)
    counts = Counter(candidate.status for candidate in run.candidates.values())
    stopped = f", {counts['stopped']} stopped on lower rungs" if counts["stopped"] else ""
    click.echo(
        f"{len(run.candidates)} candidates ({counts['failed']} failed, {counts['infeasible']}"
        f" infeasible{stopped}); {table.total} on the front; hypervolume"
        f" {format_number(run.hypervolume())}\n"
    )
    if not table.rows:
        return
    print_table(
        ["id", *table.headers, "origin"],
        [[str(row.candidate.number), *row.cells, row.candidate.origin] for row in table.rows],
        text_columns=0,
    )
    if len(table.rows) < table.total:
        click.echo(
            f"... {len(table.rows)} of {table.total}, evenly spread; all of them: mvt-nas pareto"
            f" {run.folder} --csv FILE"
        )
    click.echo()
    best = best_within_budgets(run)
    if best is not None:
        click.echo(f"{_sentence(best.why)}: candidate {best.number}, {_objectives(run, best)}.")
    knee = next(row.candidate for row in table.rows if row.is_knee)
    click.echo(
        "The knee of the front, where giving up a little of one objective gains most of another:"
        f" candidate {knee.number}."
    )
    notes = [
        _format_candidate_names(run, knee),
        f"{_sentence(KINDS_NOTE)}.",
        *accuracy_notes(run),
        *_latency_notes(run),
        *baseline_lines(run),
    ]
    for note in notes:
        click.echo(note)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _objectives(run: Run, choice: Recommendation) -> str:
    """Return the objectives of a recommended candidate, in one line."""
    candidate = run.candidates[choice.number]
    images = validation_images(run.config)
    return ", ".join(
        f"{objective.name} {format_score(objective.metric, candidate, validation_images=images)}"
        for objective in run.config.objectives
    )


def _format_candidate_names(run: Run, knee: Candidate) -> str:
    """Return the names by which other commands take a candidate of this run, in one line."""
    limit = "params<=2M"
    if len(run.devices) == 1:
        (metric,) = run.devices
        latency = Metric.parse(LATENCY).for_task(metric.task)
        limit = f"{latency}<={knee.scores[metric.full_name]:.2g}"
    names = [
        shlex.quote(f"{run.folder}:{name}")
        for name in ("ID", "knee", run.config.objectives[0].name, limit)
    ]
    return (
        f"Other commands take {names[0]}, {names[1]}, {names[2]} (the best in an objective),"
        f" {names[3]} (the best within limits)."
    )


def _latency_notes(run: Run) -> list[str]:
    if not run.devices:
        return format_agreement(run)
    devices = ", ".join(dict.fromkeys(profile.name for profile in run.devices.values()))
    return [f"Milliseconds are predicted for {devices}.", *format_agreement(run)]
