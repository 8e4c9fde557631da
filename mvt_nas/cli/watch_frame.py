"""The view of a watched run: progress, front, hypervolume and failures on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mvt_nas.metrics.direction import Direction
from mvt_nas.metrics.names import ACCURACY, extrapolated
from mvt_nas.report.formatting import format_duration, format_number, format_rate
from mvt_nas.report.front_table import column_header, evenly_spread, format_score
from mvt_nas.report.trained_accuracy import validation_images
from mvt_nas.report.watch.hypervolume import area_chart
from mvt_nas.report.watch.view import RunView

MOST_ROWS = 12
CHART_LINES = 8
MOST_REASONS = 4

# Lines of the frame that do not depend on the run.
_FIXED_LINES = 13
_ARROWS = {Direction.MIN: "↓", Direction.MAX: "↑"}
_STATES = {"running": "running", "ended": "ended", "left": "not running"}
_STATE_STYLES = {"running": "green", "ended": "bold", "left": "yellow"}
_STATUS_STYLES = {"complete": "", "stopped": "", "infeasible": "yellow", "failed": "red"}


def frame(
    view: RunView, width: int, height: int | None = None, *, live: bool = False
) -> RenderableType:
    """Return the view of a run for a terminal.

    Args:
        view: Content of the view.
        width: Columns of the terminal.
        height: Lines of the terminal, to which tables and charts are cut; ``None`` for unlimited
            room.
        live: Whether another frame will follow.
    """
    rows, lines = _room(view, height)
    parts: list[RenderableType] = [_title(view), _progress(view, width), _counts(view), ""]
    if view.front:
        parts += [_front_title(view, rows), _front(view, rows), "", *_chart(view, width, lines)]
    parts += _rungs(view)
    parts += _reasons(view, fold=height is None)
    ending = Text("q ends the view; the search continues", style="dim") if live else _ending(view)
    if ending:
        parts += ["", ending]
    return Group(*parts)


def _room(view: RunView, height: int | None) -> tuple[int, int]:
    """Return the number of rows of the front and of lines of the chart that fit."""
    if height is None:
        return MOST_ROWS, CHART_LINES
    # An empty line and a title precede the reasons of failures.
    reason_lines = min(len(view.reasons), MOST_REASONS) + 2 if view.reasons else 0
    rest = height - _FIXED_LINES - len(view.rungs) - reason_lines
    rows = min(MOST_ROWS, len(view.front), max(rest - 5, 2))
    return rows, max(min(CHART_LINES, rest - rows), 2)


def _title(view: RunView) -> RenderableType:
    grid = Table.grid(expand=True, padding=(0, 1))
    state = _STATES[view.state]
    grid.add_column(overflow="ellipsis", no_wrap=True, ratio=1)
    grid.add_column(justify="right", no_wrap=True, min_width=len(state))
    settings = f"  {view.config.name}, {view.config.sampler}, seed {view.config.seed}"
    grid.add_row(
        Text.assemble((str(view.folder), "bold"), (settings, "dim")),
        Text(state, style=_STATE_STYLES[view.state]),
    )
    return grid


def _progress(view: RunView, width: int) -> RenderableType:
    texts = [f"{view.done} of {view.config.trials} candidates"]
    if view.state == "running" and view.per_second:
        texts.append(format_rate(view.per_second))
    if view.left_s is not None:
        texts.append(f"{format_duration(view.left_s)} left")
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
    statuses = [status for status in _STATUS_STYLES if view.counts.get(status)] or ["complete"]
    text = Text(", ", no_wrap=True, overflow="ellipsis").join(
        Text(f"{view.counts.get(status, 0)} {status}", style=_STATUS_STYLES[status])
        for status in statuses
    )
    if view.evaluation_s >= 0.001:
        text += Text(f"; an evaluation takes {format_duration(view.evaluation_s)}")
    if not view.front:
        text += Text("; nothing on the front" + (" yet" if view.state == "running" else ""))
    return text


def _front_title(view: RunView, rows: int) -> Text:
    title = f"Front: {len(view.front)}"
    if rows < len(view.front):
        title += f", {rows} of them evenly spread"
    notes = f"   last grown by candidate {view.last_growth}"
    shows_accuracy = any(objective.name == ACCURACY for objective in view.config.objectives)
    if shows_accuracy and any(extrapolated(candidate.scores) for candidate in view.front):
        notes += "   * extrapolated"
    return Text.assemble((title, "bold"), (notes, "dim"), no_wrap=True, overflow="ellipsis")


def _front(view: RunView, rows: int) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    objectives = view.config.objectives
    metrics = [objective.metric for objective in objectives]
    images = validation_images(view.config)
    several_devices = len({metric.device for metric in metrics if metric.is_latency}) > 1
    table.add_column("id", justify="right", no_wrap=True)
    for objective in objectives:
        header = column_header(objective.metric, several_devices)
        table.add_column(f"{header} {_ARROWS[objective.direction]}", justify="right")
    table.add_column("origin", no_wrap=True, overflow="ellipsis")
    for candidate in evenly_spread(view.front, view.knee, rows):
        is_knee = candidate.number == view.knee
        table.add_row(
            str(candidate.number),
            *(format_score(metric, candidate, validation_images=images) for metric in metrics),
            candidate.origin + (" (knee)" if is_knee else ""),
            style="bold" if is_knee else "",
        )
    return table


def _chart(view: RunView, width: int, lines: int) -> Iterator[RenderableType]:
    yield Text.assemble(("Hypervolume ", "bold"), format_number(view.hypervolume))
    values = [value for _, value in view.curve]
    labels = [""] * lines
    labels[-1] = format_number(min(values))
    labels[0] = format_number(max(values))
    margin = max(len(labels[0]), len(labels[-1]))
    until = view.config.trials if view.state != "ended" else view.done
    columns = max(width - margin - 2, 10)
    drawn = area_chart(view.curve, width=columns, height=lines, until=until)
    for label, line in zip(labels, drawn, strict=True):
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
    lines = [
        Text.assemble(f"{count} × ", (reason, "red"))
        for reason, count in view.reasons[:MOST_REASONS]
    ]
    others = view.reasons[MOST_REASONS:]
    if others:
        lines.append(Text(f"{sum(count for _, count in others)} × {len(others)} other reasons"))
    for line in lines:
        line.no_wrap = not fold
        line.overflow = "fold" if fold else "ellipsis"
        yield line


def _ending(view: RunView) -> Text | None:
    if view.state == "running":
        return None
    if view.reason is None:
        command = f"mvt-nas search --resume --out {view.folder}"
        return Text(
            "Interrupted, or its time limit was reached; everything is kept.\nResume with:  "
            f"{command}"
        )
    done = view.done
    stalled = view.config.stop_when.stalled
    sentences = {
        "trials": f"All {done} trials are done.",
        "exhausted": (
            f"The space is exhausted: no feasible architecture but these {done} was found."
        ),
        "stalled": (
            f"Stalled: over the last {stalled} candidates the front grew by no more than 0.1 %."
        ),
    }
    return Text(f"{sentences[view.reason]} See it with:  mvt-nas pareto {view.folder}")
