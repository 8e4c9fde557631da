"""Report of a run as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from mvt_nas.metrics.direction import Direction
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.accuracy_notes import accuracy_notes
from mvt_nas.report.baseline_comparison import (
    compare_baselines,
    comparison_summary,
    format_baseline_value,
    shown_metrics,
)
from mvt_nas.report.cached_run import cached_run
from mvt_nas.report.formatting import format_full_number
from mvt_nas.report.front_table import KINDS_NOTE, format_score, front_table
from mvt_nas.report.insights import (
    common_choices,
    dominance_summary,
    dominated_models,
    failures,
    importances,
    recommendations,
    sampled,
)
from mvt_nas.report.provenance import export_command, provenance, reproduce_command
from mvt_nas.report.random_comparison import random_curves
from mvt_nas.report.trained_accuracy import validation_images

_MOST_DIMENSIONS = 8


def report(run: Run) -> str:
    """Return the report of a run as Markdown."""
    run = cached_run(run)
    sections = [
        section(run)
        for section in (
            _head,
            _choices,
            _front,
            _baselines,
            _published_models,
            _common_choices,
            _importances,
            _growth,
            _failures,
            _provenance,
        )
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _head(run: Run) -> list[str]:
    counts = (
        f"{len(run.candidates)} candidates, {len(run.complete())} complete, {len(run.front())} on"
        " the front"
    )
    objectives = ", ".join(
        f"{objective.metric} ({objective.direction})" for objective in run.config.objectives
    )
    budgets = ", ".join(map(str, run.config.budgets)) or "none"
    return [
        f"# {text(run.space.name)}",
        "",
        f"{counts}. Objectives: {text(objectives)}. Budgets: {text(budgets)}.",
    ]


def _choices(run: Run) -> list[str]:
    lines = ["## What to choose", ""]
    chosen = recommendations(run)
    if not chosen:
        return [*lines, "Nothing is complete."]
    images = validation_images(run.config)
    for choice in chosen:
        candidate = run.candidates[choice.number]
        values = ", ".join(
            f"{objective.name}"
            f" {format_score(objective.metric, candidate, format_full_number, images)}"
            for objective in run.config.objectives
        )
        lines.append(f"- **candidate {choice.number}**, {text(choice.why)}: {text(values)}")
        lines.append(f"  `{export_command(run, choice.number)}`")
    return lines


def _front(run: Run) -> list[str]:
    table = front_table(run, format_full_number)
    rows = [[str(row.candidate.number), *row.cells, row.candidate.origin] for row in table.rows]
    lines = ["## The front", ""]
    if len(rows) < table.total:
        lines += [f"{len(rows)} of {table.total}, evenly spread.", ""]
    lines += _table(["id", *table.headers, "origin"], rows)
    notes = [f"- {text(note)}" for note in (f"{KINDS_NOTE}.", *accuracy_notes(run))]
    return [*lines, "", *notes]


def _baselines(run: Run) -> list[str]:
    comparisons = compare_baselines(run)
    if not comparisons:
        return []
    metrics = list(
        dict.fromkeys(metric for one in comparisons for metric in shown_metrics(one.baseline))
    )
    rows = []
    details = []
    for comparison in comparisons:
        baseline = comparison.baseline
        values = [format_baseline_value(baseline, name, format_full_number) for name in metrics]
        rows.append([baseline.name, *values])
        details.append(
            f"- **{text(baseline.name)}** ({text(baseline.source)}, {baseline.resolution_px} px):"
            f" {text(comparison_summary(run, comparison))}"
        )
        if comparison.beaten:
            gains = _gains(run, comparison.beaten.gains)
            details.append(f"  - candidate {comparison.beaten.by}: {text(gains)}")
        details += [f"  - {text(note)}" for note in baseline.notes]
    return ["## Your baseline", "", *_table(["baseline", *metrics], rows), "", *details]


def _gains(run: Run, gains: Mapping[str, float]) -> str:
    return ", ".join(f"{metric} {_gain(run, metric, gain)}" for metric, gain in gains.items())


def _published_models(run: Run) -> list[str]:
    published = sum(candidate.origin != "sampler" for candidate in run.complete())
    if not published:
        return []
    dominated = dominated_models(run)
    names = [objective.name for objective in run.config.objectives]
    rows = [
        [
            model.model,
            str(model.by),
            "better with 90 %" if model.confident else "about equal",
            *(_gain(run, name, model.gains[name]) for name in names),
        ]
        for model in dominated
    ]
    lines = ["## Published models", "", dominance_summary(dominated, published), ""]
    if rows:
        lines += _table(
            ["model", "dominated by", "accuracy", *(f"{name}, gain" for name in names)], rows
        )
    return lines


def _gain(run: Run, metric: str, gain: float) -> str:
    direction = next(
        objective.direction for objective in run.config.objectives if objective.name == metric
    )
    return (
        f"{'+' if direction is Direction.MAX else '-'}{format_full_number(gain)}"
        if gain
        else "equal"
    )


def _common_choices(run: Run) -> list[str]:
    rows = [
        [choice.dimension, str(choice.value), f"{choice.on_front:.0%}", f"{choice.elsewhere:.0%}"]
        for choice in common_choices(run)[:_MOST_DIMENSIONS]
    ]
    header = ["dimension", "most frequent on the front", "there", "among the others"]
    return ["## What the front agrees on", "", *_table(header, rows)] if rows else []


def _importances(run: Run) -> list[str]:
    shares_by_objective = importances(run)
    if not shares_by_objective:
        return []
    sample = sampled(run)
    candidates = "all complete candidates"
    if sample is not None:
        candidates = f"{sample:,} of the complete candidates, evenly drawn"
    rows = []
    for objective, shares in shares_by_objective.items():
        largest = list(shares.items())[:_MOST_DIMENSIONS]
        rows.append([objective, ", ".join(f"{name} {share:.0%}" for name, share in largest)])
    return [
        "## What matters",
        "",
        f"Share of the variance that each dimension explains, by a forest over {candidates}:",
        "",
        *_table(["objective", "dimensions"], rows),
    ]


def _growth(run: Run) -> list[str]:
    count = len(run.candidates)
    if not count:
        return []
    trials = sorted({max(round(count * share), 1) for share in (0.1, 0.25, 0.5, 0.75, 1.0)})
    search, random = random_curves(run, trials)
    rows = [["this search", *(f"{share:.3f}" for share in search)]]
    if random is not None:
        rows.append(["as many at random", *(f"{share:.3f}" for share in random)])
    return [
        "## How the front grew",
        "",
        "Hypervolume as a share of the box around all candidates:",
        "",
        *_table(["after", *map(str, trials)], rows),
    ]


def _failures(run: Run) -> list[str]:
    rows = [[str(count), reason] for reason, count in failures(run)]
    return ["## Failures", "", *_table(["candidates", "reason"], rows)] if rows else []


def _provenance(run: Run) -> list[str]:
    facts = [f"- {name}: {text(value)}" for name, value in provenance(run).items()]
    return ["## Where it comes from", "", *facts, f"- reproduce: `{reproduce_command(run)}`"]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in [header, ["---"] * len(header), *rows]:
        yield "| " + " | ".join(cell if set(cell) == {"-"} else text(cell) for cell in row) + " |"


def text(value: str) -> str:
    """Return text with the special characters of Markdown and HTML escaped."""
    escaped = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", " ".join(escaped.split()))
