"""``mvt-nas watch``: the live view of a running search, which ends at a key press."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live

from mvt_nas.cli.parameters import FOLDER
from mvt_nas.cli.watch_frame import frame
from mvt_nas.report.watch.view import RunView, RunWatcher

Wait = Callable[[float], str]
"""Waits for a key, at most a number of seconds; returns the key, or an empty text if none came."""

# Lines that the shell needs for its prompt below the last frame.
_PROMPT_LINES = 2


@contextmanager
def keys() -> Iterator[Wait]:
    """Yield a function that waits for single keys, without Return and without an echo.

    Without a terminal as standard input, the function only waits.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        yield _no_key
    elif sys.platform == "win32":
        yield _windows_key
    else:
        yield from _posix_keys()


def _no_key(seconds: float) -> str:
    time.sleep(seconds)
    return ""


if sys.platform == "win32":
    import msvcrt

    def _windows_key(seconds: float) -> str:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if msvcrt.kbhit():
                return msvcrt.getwch()
            time.sleep(0.05)
        return ""

else:
    import os
    import select
    import termios
    import tty

    def _posix_keys() -> Iterator[Wait]:
        file = sys.stdin.fileno()
        before = termios.tcgetattr(file)

        def wait(seconds: float) -> str:
            ready, _, _ = select.select([file], [], [], seconds)
            return os.read(file, 1).decode("latin-1") if ready else ""

        try:
            tty.setcbreak(file)
            yield wait
        finally:
            termios.tcsetattr(file, termios.TCSADRAIN, before)


@click.command("watch")
@click.argument("run", type=FOLDER)
@click.option(
    "--once",
    is_flag=True,
    help="Print the present state and exit; implied if the output is not a terminal.",
)
@click.option(
    "--every",
    type=click.FloatRange(0.1, 3600),
    default=1.0,
    show_default=True,
    metavar="S",
    help="Interval between updates, in seconds.",
)
def watch_command(run: Path, once: bool, every: float) -> None:
    """Watch the search in RUN: front, hypervolume, rate, failures.

    The command only reads, so that any number of people can watch. It ends with the search, or with
    q; the search continues then.
    """
    console = Console(highlight=False)
    watcher = RunWatcher(run)
    view = watcher.look()
    print_once = once or not sys.stdout.isatty()
    if view.state == "running" and not print_once:
        view = _watch(watcher, view, console, every)
    height = None if print_once else console.height - _PROMPT_LINES
    console.print(frame(view, console.width, height))


def _watch(watcher: RunWatcher, view: RunView, console: Console, every_s: float) -> RunView:
    """Show a run until it ends or the user quits; return the last view."""
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
