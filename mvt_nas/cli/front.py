"""The front of a run as a table and as JSON."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from mvt_nas.cli.baselines import baseline_lines, baselines_document
from mvt_nas.cli.render import format_accuracy_model, format_interval, format_number, print_table
from mvt_nas.metrics.metric import Metric, Source
from mvt_nas.metrics.names import ACCURACY, COST_NAMES, IMAGENET, LATENCY, TRAINED

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
    columns = [
        (metric, kind)
        for metric in _metrics(run, front)
        for kind in ("predicted", *(["measured"] if run.measured.get(metric.full_name) else []))
    ]
    place = next(index for index, candidate in enumerate(front) if candidate.number == knee)
    shown = [front[index] for index in evenly_spaced_subset(len(front), _MOST_ROWS, place)]
    rows = [
        [
            str(c.number),
            *(_cell(run, metric, kind, c, complete) for metric, kind in columns),
            c.origin,
        ]
        for c in shown
    ]
    print_table(
        ["id", *(_header(run, metric, kind) for metric, kind in columns), "origin"],
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


def _metrics(run: Run, front: list[Candidate]) -> list[Metric]:
    """Return the metrics that the table of a front shows."""
    costs = [Metric.parse(name) for name in COST_NAMES]
    of_tasks = [cost.for_task(task) for task in run.config.tasks for cost in costs]
    metrics = [objective.metric for objective in run.config.objectives]
    metrics += [*run.devices, *of_tasks, *costs]
    if any(IMAGENET in candidate.scores for candidate in front):
        metrics.append(Metric.parse(IMAGENET))
    return list(dict.fromkeys(metrics))


def _names(run: Run, knee: int | None) -> str:
    """Return how other commands take a candidate of this run, in one line."""
    from shlex import quote

    limit = "params<=2M"
    if len(run.devices) == 1 and knee is not None:
        (metric,) = run.devices
        latency = Metric.parse(LATENCY).for_task(metric.task)
        limit = f"{latency}<={run.candidates[knee].scores[metric.full_name]:.2g}"
    names = [
        quote(f"{run.folder}:{name}")
        for name in ("ID", "knee", run.config.objectives[0].name, limit)
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


def _header(run: Run, metric: Metric, kind: str) -> str:
    """Return the header of a column, with the device where the run has several."""
    if not metric.is_latency:
        return _HEADERS.get(metric.full_name, metric.full_name)
    several = len({latency.device for latency in run.devices}) > 1
    device = f"@{metric.device}" if several else ""
    task = f"{metric.task}." if metric.task else ""
    return f"{task}{kind} ms{device}"


def _cell(
    run: Run, metric: Metric, kind: str, candidate: Candidate, complete: list[Candidate]
) -> str:
    name = metric.full_name
    if kind == "measured":
        record = run.measured[name].get(candidate.key)
        return "" if record is None else format_number(record.ms)
    value = candidate.scores[name]
    if name == ACCURACY:
        return format_interval(candidate)
    if metric.is_cost:
        return format_number(value)
    if metric.source is not Source.PROXY:
        return f"{value:.1f}"

    sign = metric.direction.sign
    no_better = sum(sign * other.scores[name] >= sign * value for other in complete)
    return f"{format_number(value)} ({100 * no_better / len(complete):.0f} %)"
