"""The front of a run as a table and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mvt_nas.cli.tables import print_table, short
from mvt_nas.cost.names import COST_NAMES

if TYPE_CHECKING:
    from mvt_nas.engine.candidates import Candidate
    from mvt_nas.engine.run import Run

_MOST_ROWS = 30


def front_document(run: Run) -> dict[str, Any]:
    """Return the front of a run as plain data."""
    front = [
        {"id": c.number, "key": c.key, "origin": c.origin, "scores": dict(c.scores), "architecture": run.architecture(c.number).to_dict()}
        for c in run.front()
    ]
    return {
        "run": str(run.folder),
        "objectives": [str(objective) for objective in run.config.objectives],
        "candidates": len(run.candidates),
        "front": front,
        "knee": run.knee(),
        "hypervolume": run.hypervolume(),
        "reference": dict(run.config.reference),
    }


def print_front(run: Run) -> None:
    """Print the front, one line per architecture; proxies with their percentile among the run's candidates."""
    front, complete = run.front(), run.complete()
    failed = sum(c.status == "failed" for c in run.candidates.values())
    infeasible = sum(c.status == "infeasible" for c in run.candidates.values())
    evaluated = f"{len(run.candidates)} candidates ({failed} failed, {infeasible} infeasible)"
    click.echo(f"{evaluated}; {len(front)} on the front; hypervolume {short(run.hypervolume())}\n")
    if not front:
        return
    objectives = [objective.metric for objective in run.config.objectives]
    metrics = [*objectives, *(name for name in COST_NAMES if name not in objectives)]
    shown = _spread(front)
    rows = [[str(c.number), *(_cell(name, c, complete) for name in metrics), c.origin] for c in shown]
    print_table(["id", *metrics, "origin"], rows, text_columns=0)
    if len(shown) < len(front):
        click.echo(f"... {len(shown)} of {len(front)}, evenly spread; all of them: mvt-nas pareto {run.folder} --csv FILE")
    click.echo(f"\nThe knee of the front, where giving up a little of one objective gains most of another: candidate {run.knee()}.")
    if any(name not in COST_NAMES for name in metrics):
        click.echo("A proxy is a training-free score, not an accuracy; in brackets the share of candidates that are no better.")


def _spread(front: list[Candidate]) -> list[Candidate]:
    """Return at most a screenful, evenly spread over the front, its ends included."""
    if len(front) <= _MOST_ROWS:
        return front
    return [front[round(i * (len(front) - 1) / (_MOST_ROWS - 1))] for i in range(_MOST_ROWS)]


def _cell(name: str, candidate: Candidate, complete: list[Candidate]) -> str:
    value = candidate.scores[name]
    if name in COST_NAMES:
        return short(value)
    from mvt_nas.engine.objectives import metric_direction

    sign = 1 if metric_direction(name) == "max" else -1
    beaten = sum(sign * other.scores[name] <= sign * value for other in complete)
    return f"{short(value)} ({100 * beaten / len(complete):.0f} %)"
