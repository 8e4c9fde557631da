"""The front of a run as a table and as JSON."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from mvt_nas.cli.baselines import baseline_lines, baselines_document
from mvt_nas.cli.render import format_accuracy_model, format_interval, format_number, print_table
from mvt_nas.metrics.names import (
    ACCURACY,
    COST_NAMES,
    IMAGENET,
    LATENCY,
    TRAINED,
    device_of,
    is_cost,
    is_latency,
    of_task,
    task_of,
)

if TYPE_CHECKING:
    from mvt_nas.nas.runs.candidate import Candidate
    from mvt_nas.nas.runs.latency_records import LatencyRecord
    from mvt_nas.nas.runs.run import Run

_MEASURED = ("ms", "low_ms", "high_ms", "predicted_ms", "probe_ms")
_MOST_ROWS = 30
_HEADERS = {ACCURACY: "accuracy %", TRAINED: "trained accuracy %", IMAGENET: "ImageNet %, about"}


def front_document(run: Run) -> dict[str, Any]:
    """Return the front of a run as plain data."""
    front = [
        {
            "id": c.number,
            "key": c.key,
            "origin": c.origin,
            "scores": dict(c.scores),
            "measured": {
                metric: {name: getattr(one, name) for name in _MEASURED}
                for metric, one in _measured(run, c).items()
            },
            "architecture": run.architecture(c.number).to_dict(),
        }
        for c in run.front()
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
    }


def print_front(run: Run) -> None:
    """Print the front, one line per architecture; proxies with their percentile among the run's candidates."""
    from mvt_nas.pareto import evenly_spaced_subset

    front, complete, knee = run.front(), run.complete(), run.knee()
    counts = Counter(c.status for c in run.candidates.values())
    stopped = f", {counts['stopped']} stopped on lower rungs" if counts["stopped"] else ""
    evaluated = (
        f"{len(run.candidates)} candidates ({counts['failed']} failed, {counts['infeasible']}"
        f" infeasible{stopped})"
    )
    click.echo(
        f"{evaluated}; {len(front)} on the front; hypervolume {format_number(run.hypervolume())}\n"
    )
    if not front:
        return
    objectives = [objective.metric for objective in run.config.objectives]
    guessed = [IMAGENET] if any(IMAGENET in candidate.scores for candidate in front) else []
    of_tasks = [of_task(kind, name) for kind in run.config.tasks for name in COST_NAMES]
    metrics = list(dict.fromkeys([*objectives, *run.devices, *of_tasks, *COST_NAMES, *guessed]))
    columns = [
        (name, kind)
        for name in metrics
        for kind in ("predicted", *(["measured"] if run.measured.get(name) else []))
    ]
    place = next(index for index, candidate in enumerate(front) if candidate.number == knee)
    shown = [front[index] for index in evenly_spaced_subset(len(front), _MOST_ROWS, place)]
    rows = [
        [str(c.number), *(_cell(run, name, kind, c, complete) for name, kind in columns), c.origin]
        for c in shown
    ]
    print_table(
        ["id", *(_header(run, name, kind) for name, kind in columns), "origin"],
        rows,
        text_columns=0,
    )
    if len(shown) < len(front):
        click.echo(
            f"... {len(shown)} of {len(front)}, evenly spread; all of them: mvt-nas pareto"
            f" {run.folder} --csv FILE"
        )
    click.echo(
        "\nThe knee of the front, where giving up a little of one objective gains most of another:"
        f" candidate {knee}."
    )
    click.echo(_names(run, knee))
    for sentence in format_accuracy_model(run):
        click.echo(sentence)
    _say_of_latency(run)
    for line in baseline_lines(run):
        click.echo(line)


def _names(run: Run, knee: int | None) -> str:
    """Return how other commands take a candidate of this run, in one line."""
    from shlex import quote

    limit = "params<=2M"
    if len(run.devices) == 1 and knee is not None:
        (metric,) = run.devices
        limit = f"{of_task(task_of(metric), LATENCY)}<={run.candidates[knee].scores[metric]:.2g}"
    names = [
        quote(f"{run.folder}:{name}")
        for name in ("ID", "knee", run.config.objectives[0].metric, limit)
    ]
    return (
        f"Other commands take {names[0]}, {names[1]}, {names[2]} (the best in an objective),"
        f" {names[3]} (the best within limits)."
    )


def _say_of_latency(run: Run) -> None:
    from mvt_nas.cli.measure_front import format_agreement

    if run.devices:
        click.echo(
            "Milliseconds are predicted for"
            f" {', '.join(dict.fromkeys(profile.name for profile in run.devices.values()))}."
        )
    for sentence in format_agreement(run):
        click.echo(sentence)


def _measured(run: Run, candidate: Candidate) -> dict[str, LatencyRecord]:
    return {
        metric: found[candidate.key]
        for metric, found in run.measured.items()
        if candidate.key in found
    }


def _header(run: Run, name: str, kind: str) -> str:
    """Return what stands above a column; the device only where there are several."""
    if not is_latency(name):
        return _HEADERS.get(name, name)
    words = (
        f"{kind} ms"
        if len(set(map(device_of, run.devices))) == 1
        else f"{kind} ms@{device_of(name)}"
    )
    return of_task(task_of(name), words)


def _cell(run: Run, name: str, kind: str, candidate: Candidate, complete: list[Candidate]) -> str:
    if kind == "measured":
        one = run.measured[name].get(candidate.key)
        return "" if one is None else format_number(one.ms)
    from mvt_nas.nas.problem.metrics import is_proxy, metric_direction

    value = candidate.scores[name]
    if name == ACCURACY:
        return format_interval(candidate)
    if not is_proxy(name):
        return format_number(value) if is_cost(name) else f"{value:.1f}"

    sign = 1 if metric_direction(name) == "max" else -1
    beaten = sum(sign * other.scores[name] <= sign * value for other in complete)
    return f"{format_number(value)} ({100 * beaten / len(complete):.0f} %)"
