"""Single keys from a terminal, without Return and without an echo.

``mvt-nas watch``: a running search, seen from outside.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mvt_nas.cli.parameters import FOLDER

if TYPE_CHECKING:
    from rich.console import Console

    from mvt_nas.report.watch.view import RunView, RunWatcher

Wait = Callable[[float], str]
"""Waits for a key, at most so many seconds, and returns it; an empty text where none came."""


@contextmanager
def keys() -> Iterator[Wait]:
    """Yield what waits for keys; where standard input is no terminal, it only waits."""
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


_PROMPT_LINES = 2  # that the shell needs below


@click.command("watch")
@click.argument("run", type=FOLDER)
@click.option(
    "--once",
    is_flag=True,
    help="Show it as it is now, and end; so it does where the output is no terminal.",
)
@click.option(
    "--every",
    type=click.FloatRange(0.1, 3600),
    default=1.0,
    show_default=True,
    metavar="S",
    help="Seconds between two looks.",
)
def watch_command(run: Path, once: bool, every: float) -> None:
    """Watch the search in RUN: front, hypervolume, rate, failures.

    It only reads, so that any number of people can watch. It ends with the search, or with q; the
    search goes on then.
    """
    from rich.console import Console

    from mvt_nas.cli.watch_frame import frame
    from mvt_nas.report.watch.view import RunWatcher

    console, watcher = Console(highlight=False), RunWatcher(run)
    view, whole = watcher.look(), once or not sys.stdout.isatty()
    if view.state == "running" and not whole:
        view = _watched(watcher, view, console, every)
    console.print(frame(view, console.width, None if whole else console.height - _PROMPT_LINES))


def _watched(watcher: RunWatcher, view: RunView, console: Console, every_s: float) -> RunView:
    """Show a run until it has ended or somebody has had enough; return what was seen last."""
    from rich.live import Live

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
