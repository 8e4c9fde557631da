"""``mvt-nas doctor``: checks of the installation and the machine, with remedies."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mvt_nas.cli.options import JSON
from mvt_nas.cli.render import print_json
from mvt_nas.report.diagnostics.check import Check

_TITLES = {
    "required": "Required",
    "extra": "Optional parts",
    "runtime": "Runtimes that latency is measured in",
    "accelerator": "This machine",
    "device": "This machine",
    "cache": "This machine",
}

# Required parts that are listed even if they work; the rest is one line.
_MOST_REQUIRED = 5


@click.command("doctor")
@JSON
def doctor_command(as_json: bool) -> None:
    """Check packages, runtimes, devices and the cache of this machine.

    Opens a tiny network in every runtime, and prints a remedy for each missing part. The exit code
    is 1 if a required part is broken; optional parts may be missing.
    """
    if not as_json and sys.stderr.isatty():
        click.echo("Opening a tiny network in every runtime; this takes a few seconds.\n", err=True)
    # Loads NumPy, which may be the part that is broken.
    from mvt_nas.report.diagnostics.all_checks import run_checks, works

    parts = run_checks()
    if as_json:
        print_json({"parts": [asdict(part) for part in parts], "ok": works(parts)})
    else:
        _print_parts(parts, works(parts))
    if not works(parts):
        sys.exit(1)


def _print_parts(parts: list[Check], ok: bool) -> None:
    console = Console(highlight=False)
    for title in dict.fromkeys(_TITLES.values()):
        group = [part for part in parts if _TITLES[part.kind] == title]
        if group:
            console.print(title, style="bold")
            console.print(_table(_shortened(group)))
            console.print()
    if ok:
        console.print("All required parts work.")
    else:
        broken = [part.name for part in parts if part.kind == "required" and not part.ok]
        console.print(f"mvt-nas does not work here: {', '.join(broken)}.")


def _shortened(group: list[Check]) -> list[Check]:
    """Return a group of parts; working required parts beyond the first few become one line."""
    listed = [
        part
        for index, part in enumerate(group)
        if part.kind != "required" or index < _MOST_REQUIRED or not part.ok
    ]
    rest = len(group) - len(listed)
    if rest:
        listed.append(Check(f"{rest} more", "required", True, ""))
    return listed


def _table(parts: list[Check]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True, min_width=13)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for part in parts:
        state, style = _state(part)
        detail = Text(part.detail)
        if part.remedy:
            detail.append(f"\n{part.remedy}", style="cyan")
        table.add_row(part.name, Text(state, style=style), detail)
    return table


def _state(part: Check) -> tuple[str, str]:
    """Return the state of a part as a word, and its style."""
    if part.ok:
        return "yes", "green"
    return ("broken", "red") if part.kind == "required" else ("no", "dim")
