"""``mvt-nas reproduce``: whether a run is what it says that it is."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mvt_nas.cli.paths import FOLDER
from mvt_nas.cli.tables import print_json


@click.command("reproduce")
@click.argument("run", type=FOLDER)
@click.option("--workers", type=click.IntRange(1, 1024), default=1, show_default=True, metavar="W", help="Evaluations at a time.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of sentences.")
def reproduce_command(run: Path, workers: int, as_json: bool) -> None:
    """Search again as RUN says, and compare.

    Whatever was trained is trained again. Ends with 0 where all is identical, and else with 1 and what differs: versions, data, devices,
    the space, and the candidates.
    """
    from mvt_nas.engine.execution import Execution
    from mvt_nas.engine.reproduce import reproduce
    from mvt_nas.engine.runners.contract import Resources

    found = reproduce(run, Execution(Resources(workers)))
    if as_json:
        words = {"differences": list(found.differences), "notes": list(found.notes)}
        print_json({"run": str(run), "identical": found.identical, "candidates": found.candidates, **words})
    else:
        click.echo(f"{run}: {'identical' if found.identical else 'NOT identical'} ({found.candidates} candidates compared)")
        for line in (*found.differences, *found.notes):
            click.echo(f"  {line}")
    sys.exit(0 if found.identical else 1)
