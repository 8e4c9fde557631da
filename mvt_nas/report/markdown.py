"""A run as a page of Markdown: what to choose, what it beats, how it was found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from mvt_nas.metrics.direction import Direction
from mvt_nas.metrics.names import COST_NAMES
from mvt_nas.nas.runs.run import Run
from mvt_nas.pareto import evenly_spaced_subset
from mvt_nas.report.baseline_comparison import (
    BaselineComparison,
    compare_baselines,
    comparison_summary,
    origin_of,
)
from mvt_nas.report.cached_run import cached_run
from mvt_nas.report.insights import (
    common_choices,
    dominated_models,
    failures,
    importances,
    recommendations,
    sampled,
)
from mvt_nas.report.provenance import again, provenance, taken
from mvt_nas.report.random_comparison import random_curves

_ROWS = 30
_MOST = 8


def report(run: Run) -> str:
    """Return the page."""
    run = cached_run(run)
    parts = [
        part(run)
        for part in (
            _head,
            _choices,
            _front,
            _baselines,
            _beaten,
            _habits,
            _importances,
            _growth,
            _failures,
            _origin,
        )
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _head(run: Run) -> list[str]:
    counts = (
        f"{len(run.candidates)} candidates, {len(run.complete())} complete, {len(run.front())} on"
        " the front"
    )
    wanted = ", ".join(
        f"{objective.metric} ({objective.direction})" for objective in run.config.objectives
    )
    budgets = ", ".join(map(str, run.config.budgets)) or "none"
    return [
        f"# {text(run.space.name)}",
        "",
        f"{counts}. Objectives: {text(wanted)}. Budgets: {text(budgets)}.",
    ]


def _choices(run: Run) -> list[str]:
    lines = ["## What to choose", ""]
    for one in recommendations(run):
        scores = run.candidates[one.number].scores
        named = ", ".join(
            f"{objective.name} {number(scores[objective.name])}"
            for objective in run.config.objectives
        )
        lines.append(f"- **candidate {one.number}**, {text(one.why)}: {text(named)}")
        lines.append(f"  `{taken(run, one.number)}`")
    return lines if len(lines) > 2 else [*lines, "Nothing is complete."]


def _front(run: Run) -> list[str]:
    front, metrics = (
        run.front(),
        list(
            dict.fromkeys([*(objective.name for objective in run.config.objectives), *COST_NAMES])
        ),
    )
    place = next(
        (index for index, candidate in enumerate(front) if candidate.number == run.knee()), None
    )
    shown = [front[index] for index in evenly_spaced_subset(len(front), _ROWS, place)]
    rows = [
        [str(c.number), *(number(c.scores.get(name)) for name in metrics), c.origin] for c in shown
    ]
    more = [f"{len(shown)} of {len(front)}, evenly spread.", ""] if len(shown) < len(front) else []
    return ["## The front", "", *more, *_table(["id", *metrics, "origin"], rows)]


def _baselines(run: Run) -> list[str]:
    found = compare_baselines(run)
    if not found:
        return []
    metrics = dict.fromkeys(metric for one in found for metric in one.baseline.scores)
    table = _table(
        ["baseline", *metrics],
        [[one.baseline.name, *(_figure(one, metric) for metric in metrics)] for one in found],
    )
    said = []
    for one in found:
        baseline = one.baseline
        said.append(
            f"- **{text(baseline.name)}** ({text(baseline.source)}, {baseline.resolution_px} px):"
            f" {text(comparison_summary(run, one))}"
        )
        said += (
            [f"  - candidate {one.beaten.by}: {text(_gains(run, one.beaten.gains))}"]
            if one.beaten
            else []
        )
        said += [f"  - {text(note)}" for note in baseline.notes]
    return ["## Your baseline", "", *table, "", *said]


def _figure(one: BaselineComparison, metric: str) -> str:
    origin = origin_of(one.baseline, metric)
    value = one.baseline.scores.get(metric)
    return (
        ""
        if value is None
        else number(value)
        if origin == "counted"
        else f"{number(value)} ({origin})"
    )


def _gains(run: Run, gains: Mapping[str, float]) -> str:
    return ", ".join(f"{metric} {_gain(run, metric, gain)}" for metric, gain in gains.items())


def _beaten(run: Run) -> list[str]:
    found, published = (
        dominated_models(run),
        sum(candidate.origin != "sampler" for candidate in run.complete()),
    )
    if not published:
        return []
    names = [objective.name for objective in run.config.objectives]
    rows = [
        [one.model, str(one.by), *(_gain(run, name, one.gains[name]) for name in names)]
        for one in found
    ]
    table = (
        _table(["model", "dominated by", *(f"{name}, gain" for name in names)], rows)
        if rows
        else []
    )
    return ["## Published models", "", f"{len(found)} of {published} are dominated.", "", *table]


def _gain(run: Run, metric: str, gain: float) -> str:
    direction = next(
        objective.direction for objective in run.config.objectives if objective.name == metric
    )
    return f"{'+' if direction is Direction.MAX else '-'}{number(gain)}" if gain else "equal"


def _habits(run: Run) -> list[str]:
    rows = [
        [one.dimension, str(one.value), f"{one.on_front:.0%}", f"{one.elsewhere:.0%}"]
        for one in common_choices(run)[:_MOST]
    ]
    header = ["dimension", "most frequent on the front", "there", "among the others"]
    return ["## What the front agrees on", "", *_table(header, rows)] if rows else []


def _importances(run: Run) -> list[str]:
    found = importances(run)
    if not found:
        return []
    some = sampled(run)
    over = (
        "all complete candidates"
        if some is None
        else f"{some:,} of the complete candidates, evenly drawn"
    )
    lines = [
        "## What matters",
        "",
        f"Share of the variance that each dimension explains, by a forest over {over}:",
        "",
    ]
    rows = [
        [metric, ", ".join(f"{name} {share:.0%}" for name, share in list(shares.items())[:_MOST])]
        for metric, shares in found.items()
    ]
    return [*lines, *_table(["objective", "dimensions"], rows)]


def _growth(run: Run) -> list[str]:
    count = len(run.candidates)
    if not count:
        return []
    after = sorted({max(round(count * share), 1) for share in (0.1, 0.25, 0.5, 0.75, 1.0)})
    own, chance = random_curves(run, after)
    rows = [["this search", *(f"{share:.3f}" for share in own)]]
    if chance is not None:
        rows.append(["as many at random", *(f"{share:.3f}" for share in chance)])
    table = _table(["after", *map(str, after)], rows)
    return [
        "## How the front grew",
        "",
        "Hypervolume as a share of the box around all candidates:",
        "",
        *table,
    ]


def _failures(run: Run) -> list[str]:
    found = failures(run)
    return (
        [
            "## Failures",
            "",
            *_table(["candidates", "reason"], [[str(count), reason] for reason, count in found]),
        ]
        if found
        else []
    )


def _origin(run: Run) -> list[str]:
    facts = [f"- {name}: {text(value)}" for name, value in provenance(run).items()]
    return ["## Where it comes from", "", *facts, f"- again: `{again(run)}`"]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in [header, ["---"] * len(header), *rows]:
        yield "| " + " | ".join(cell if set(cell) == {"-"} else text(cell) for cell in row) + " |"


def number(value: float | None) -> str:
    """Return a number as people write it: whole numbers whole, others with four figures."""
    if value is None:
        return ""
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"


def text(value: str) -> str:
    """Return text that Markdown and HTML take for nothing else."""
    escaped = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", " ".join(escaped.split()))
