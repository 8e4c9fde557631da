"""``mvt-nas doctor``: what works here, and how to get what is missing."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mvt_nas.cli.render import print_json

if TYPE_CHECKING:
    from mvt_nas.report.diagnostics.check import Check

_TITLES = {
    "required": "Required",
    "extra": "Optional parts",
    "runtime": "Runtimes that latency is measured in",
    "accelerator": "This machine",
    "device": "This machine",
    "cache": "This machine",
}
_NAMED = 5  # of the required parts, that are told though nothing is wrong with them


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of tables.")
def doctor_command(as_json: bool) -> None:
    """Say what works on this machine, and how to get what is missing.

    Opens a tiny network in every runtime. The exit code is 1 where something required is broken;
    optional parts may be missing.
    """
    if not as_json and sys.stderr.isatty():
        click.echo("Opening a tiny network in every runtime; this takes a few seconds.\n", err=True)
    from mvt_nas.report.diagnostics.all_checks import run_checks, works

    parts = run_checks()
    if as_json:
        print_json({"parts": [asdict(part) for part in parts], "ok": works(parts)})
    else:
        _print(parts, works(parts))
    if not works(parts):
        sys.exit(1)


def _print(parts: list[Check], fine: bool) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    for title in dict.fromkeys(_TITLES.values()):
        group = [part for part in parts if _TITLES[part.kind] == title]
        if group:
            console.print(title, style="bold")
            console.print(_table(_told(group)))
            console.print()
    broken = [part.name for part in parts if part.kind == "required" and not part.ok]
    console.print(
        "All that is required works."
        if fine
        else f"mvt-nas does not work here: {', '.join(broken)}."
    )


def _told(group: list[Check]) -> list[Check]:
    """Return what is told of a group: of required parts that are fine, most in one line."""
    from mvt_nas.report.diagnostics.check import Check

    told = [
        part
        for place, part in enumerate(group)
        if part.kind != "required" or place < _NAMED or not part.ok
    ]
    rest = len(group) - len(told)
    return [*told, *([Check(f"{rest} more", "required", True, "")] if rest else [])]


def _table(parts: list[Check]) -> object:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True, min_width=13)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for part in parts:
        words, style = (
            ("yes", "green")
            if part.ok
            else ("broken", "red")
            if part.kind == "required"
            else ("no", "dim")
        )
        detail = Text(part.detail)
        if part.remedy:
            detail.append(f"\n{part.remedy}", style="cyan")
        table.add_row(part.name, Text(words, style=style), detail)
    return table
