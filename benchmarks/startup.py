"""Start-up time of the command line, relative to a bare command of the same library."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks._figures import Figure, figure

REPEATS = 21

_BARE = """
import click

@click.group()
def cli(): pass

@cli.command()
def hello(): click.echo("hello")

cli.main(["hello"], standalone_mode=False)
"""

COMMANDS = {
    "bare": [sys.executable, "-c", _BARE],
    "--help": [sys.executable, "-m", "mvt_nas", "--help"],
    "zoo": [sys.executable, "-m", "mvt_nas", "zoo"],
}


def run() -> list[Figure]:
    """Return the seconds of the commands, run in turn, and their ratios to the bare command."""
    samples: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(REPEATS):
        for name, command in COMMANDS.items():
            samples[name].append(_seconds(command))
    found = [figure(name, taken, "s") for name, taken in samples.items()]
    for name in list(COMMANDS)[1:]:
        ratios = [taken / bare for taken, bare in zip(samples[name], samples["bare"], strict=True)]
        found.append(figure(f"{name}, times as long as bare", ratios, ""))
    return found


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start
