"""``mvt-nas watch``: a running search, seen from outside."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mvt_nas.cli.paths import FOLDER

if TYPE_CHECKING:
    from rich.console import Console

    from mvt_nas.report.watch.view import View, Watcher


_PROMPT_LINES = 2  # that the shell needs below


@click.command("watch")
@click.argument("run", type=FOLDER)
@click.option("--once", is_flag=True, help="Show it as it is now, and end; so it does where the output is no terminal.")
@click.option("--every", type=click.FloatRange(0.1, 3600), default=1.0, show_default=True, metavar="S", help="Seconds between two looks.")
def watch_command(run: Path, once: bool, every: float) -> None:
    """Watch the search in RUN: front, hypervolume, rate, failures.

    It only reads, so that any number of people can watch. It ends with the search, or with q; the search goes on then.
    """
    from rich.console import Console

    from mvt_nas.cli.watch_frame import frame
    from mvt_nas.report.watch.view import Watcher

    console, watcher = Console(highlight=False), Watcher(run)
    view, whole = watcher.look(), once or not sys.stdout.isatty()
    if view.state == "running" and not whole:
        view = _watched(watcher, view, console, every)
    console.print(frame(view, console.width, None if whole else console.height - _PROMPT_LINES))


def _watched(watcher: Watcher, view: View, console: Console, every_s: float) -> View:
    """Show a run until it has ended or somebody has had enough; return what was seen last."""
    from rich.live import Live

    from mvt_nas.cli.keys import keys
    from mvt_nas.cli.watch_frame import frame

    with keys() as wait, Live(console=console, screen=True, auto_refresh=False) as live:
        try:
            while view.state == "running":
                live.update(frame(view, console.width, console.height, live=True), refresh=True)
                if wait(every_s) in ("q", "Q"):
                    break
                view = watcher.look()
        except KeyboardInterrupt:
            pass
    return view
