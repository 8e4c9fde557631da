"""How a watched run looks on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mvt_nas.cli.render import format_interval, format_number
from mvt_nas.metrics.direction import Direction
from mvt_nas.metrics.metric import Metric
from mvt_nas.metrics.names import (
    ACCURACY,
    ACCURACY_HIGH,
    IMAGENET,
    TRAINED,
    extrapolated,
)
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.pareto import evenly_spaced_subset
from mvt_nas.report.watch.hypervolume import area_chart
from mvt_nas.report.watch.view import RunView

MOST_ROWS, CHART_LINES, MOST_REASONS = 12, 8, 4
_FIXED_LINES = 13  # that are there whatever the run
_NAMES = {
    ACCURACY: "accuracy %",
    TRAINED: "trained accuracy %",
    IMAGENET: "ImageNet %, about",
    "macs": "MACs",
    "memory_mb": "memory MB",
}
_ARROWS = {Direction.MIN: "↓", Direction.MAX: "↑"}
_COLOURS = {"running": "green", "ended": "bold", "left": "yellow"}


def frame(
    view: RunView, width: int, height: int | None = None, *, live: bool = False
) -> RenderableType:
    """Return a picture of a run.

    Args:
        view: of the run.
        width: columns of the terminal.
        height: lines of the terminal, to which tables and charts are cut; without one, there is
            room for all.
        live: whether another frame will follow.
    """
    rows, lines = _room(view, height)
    parts: list[RenderableType] = [_title(view), _progress(view, width), _counts(view), ""]
    if view.front:
        parts += [_front_title(view, rows), _front(view, rows), "", *_chart(view, width, lines)]
    parts += _rungs(view)
    parts += _reasons(view, fold=height is None)
    ending = Text("q ends the view; the search goes on", style="dim") if live else _ending(view)
    if ending:
        parts += ["", ending]
    return Group(*parts)


def _room(view: RunView, height: int | None) -> tuple[int, int]:
    """Return how many rows of the front and lines of the chart there is room for."""
    if height is None:
        return MOST_ROWS, CHART_LINES
    rest = (
        height
        - _FIXED_LINES
        - len(view.rungs)
        - (min(len(view.reasons), MOST_REASONS) + 2 if view.reasons else 0)
    )
    rows = min(MOST_ROWS, len(view.front), max(rest - 5, 2))
    return rows, max(min(CHART_LINES, rest - rows), 2)


def _title(view: RunView) -> RenderableType:
    grid = Table.grid(expand=True, padding=(0, 1))
    word = {"running": "running", "ended": "ended", "left": "not running"}[view.state]
    grid.add_column(overflow="ellipsis", no_wrap=True, ratio=1)
    grid.add_column(justify="right", no_wrap=True, min_width=len(word))
    settings = f"  {view.config.name}, {view.config.sampler}, seed {view.config.seed}"
    grid.add_row(
        Text.assemble((str(view.folder), "bold"), (settings, "dim")),
        Text(word, style=_COLOURS[view.state]),
    )
    return grid


def _progress(view: RunView, width: int) -> RenderableType:
    texts = [f"{view.done} of {view.config.trials} candidates"]
    if view.state == "running" and view.per_second:
        texts.append(_rate(view.per_second))
    if view.left_s is not None:
        texts.append(f"{duration(view.left_s)} left")
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column()
    grid.add_column(no_wrap=True, overflow="ellipsis")
    bar = ProgressBar(
        total=view.config.trials,
        completed=min(view.done, view.config.trials),
        width=max(width // 4, 8),
    )
    grid.add_row(bar, Text(", ".join(texts)))
    return grid


def _counts(view: RunView) -> Text:
    names = ("complete", "stopped", "infeasible", "failed")
    styles = {"failed": "red", "infeasible": "yellow"}
    found = [name for name in names if view.counts.get(name)] or ["complete"]
    text = Text(", ", no_wrap=True, overflow="ellipsis").join(
        Text(f"{view.counts.get(name, 0)} {name}", style=styles.get(name, "")) for name in found
    )
    if view.evaluation_s >= 0.001:
        text += Text(f"; an evaluation takes {duration(view.evaluation_s)}")
    return (
        text
        if view.front
        else text + Text("; nothing on the front" + (" yet" if view.state == "running" else ""))
    )


def _front_title(view: RunView, rows: int) -> Text:
    some = f", {rows} of them evenly spread" if rows < len(view.front) else ""
    stars = ACCURACY in (aim.name for aim in view.config.objectives) and any(
        extrapolated(c.scores) for c in view.front
    )
    notes = f"   last grown by candidate {view.last_growth}" + (
        "   * extrapolated" if stars else ""
    )
    return Text.assemble(
        (f"Front: {len(view.front)}{some}", "bold"),
        (notes, "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )


def _front(view: RunView, rows: int) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    aims = view.config.objectives
    several = sum(aim.metric.is_latency for aim in aims) > 1
    table.add_column("id", justify="right", no_wrap=True)
    for aim in aims:
        table.add_column(
            f"{_header(aim.metric, several)} {_ARROWS[aim.direction]}", justify="right"
        )
    table.add_column("origin", no_wrap=True, overflow="ellipsis")
    place = next(
        (index for index, candidate in enumerate(view.front) if candidate.number == view.knee), None
    )
    for index in evenly_spaced_subset(len(view.front), rows, place):
        candidate = view.front[index]
        knee = candidate.number == view.knee
        cells = [_value(aim.name, candidate) for aim in aims]
        table.add_row(
            str(candidate.number),
            *cells,
            candidate.origin + (" (knee)" if knee else ""),
            style="bold" if knee else "",
        )
    return table


def _header(metric: Metric, several: bool) -> str:
    if not metric.is_latency:
        return _NAMES.get(metric.full_name, metric.full_name)
    task = f"{metric.task}." if metric.task else ""
    device = f"@{metric.device}" if several else ""
    return f"{task}predicted ms{device}"


def _value(name: str, candidate: Candidate) -> str:
    if name == ACCURACY and ACCURACY_HIGH in candidate.scores:
        return format_interval(candidate)
    value = candidate.scores[name]
    return f"{value:.1f}" if name in (ACCURACY, TRAINED, IMAGENET) else format_number(value)


def _chart(view: RunView, width: int, lines: int) -> Iterator[RenderableType]:
    yield Text.assemble(("Hypervolume ", "bold"), format_number(view.hypervolume))
    values = [value for _, value in view.curve]
    high, low = format_number(max(values)), format_number(min(values))
    margin = max(len(high), len(low))
    until = view.config.trials if view.state != "ended" else view.done
    columns = max(width - margin - 2, 10)
    drawn = area_chart(view.curve, width=columns, height=lines, until=until)
    for number, line in enumerate(drawn):
        label = high if number == 0 else low if number == lines - 1 else ""
        yield Text.assemble((f"{label:>{margin}} ", "dim"), (line, "cyan"), no_wrap=True)
    last = f"{until} candidates"
    yield Text(f"{'':{margin}} 1{last:>{columns - 1}}", style="dim", no_wrap=True)


def _rungs(view: RunView) -> Iterator[RenderableType]:
    for rung in view.rungs:
        yield Text(f"Rung of {rung.epochs} epochs: {rung.reached} of {rung.of} trained")


def _reasons(view: RunView, fold: bool) -> Iterator[RenderableType]:
    if not view.reasons:
        return
    yield ""
    yield Text("Failed", style="bold")
    others = view.reasons[MOST_REASONS:]
    lines = [
        Text.assemble(f"{count} × ", (reason, "red"))
        for reason, count in view.reasons[:MOST_REASONS]
    ]
    lines += (
        [Text(f"{sum(count for _, count in others)} × {len(others)} other reasons")]
        if others
        else []
    )
    for line in lines:
        line.no_wrap, line.overflow = not fold, "fold" if fold else "ellipsis"
        yield line


def _ending(view: RunView) -> Text | None:
    done, within = view.done, view.config.stop_when.stalled
    if view.state == "running":
        return None
    if view.reason is None:
        go_on = f"mvt-nas search --resume --out {view.folder}"
        return Text(
            f"Interrupted, or its minutes were over; everything is kept.\nGo on with:  {go_on}"
        )
    said = {
        "trials": f"All {done} trials are done.",
        "exhausted": (
            f"The space is exhausted: no feasible architecture but these {done} was found."
        ),
        "stalled": (
            f"Stalled: over the last {within} candidates the front grew by no more than 0.1 %."
        ),
    }
    return Text(f"{said[view.reason]} See it with:  mvt-nas pareto {view.folder}")


def _rate(per_second: float) -> str:
    if per_second >= 1:
        return f"{per_second:.1f} a second"
    return (
        f"{60 * per_second:.1f} a minute"
        if per_second >= 1 / 60
        else f"{3600 * per_second:.1f} an hour"
    )


def duration(seconds: float) -> str:
    """Return a time with one or two units, such as ``40 s`` or ``2 h 10 min``."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if round(seconds) < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days {hours % 24} h"
