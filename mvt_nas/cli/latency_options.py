"""Options that several ``mvt-nas latency`` commands share."""

from __future__ import annotations

import click

from mvt_nas.cli.options import seed_option

RUNTIME = click.option(
    "--runtime",
    metavar="NAME",
    help="Runtime of the networks (see: mvt-nas latency runtimes).  [default: onnxruntime]",
)
THREADS = click.option(
    "--threads",
    type=click.IntRange(1, 4096),
    default=1,
    show_default=True,
    metavar="N",
    help="Threads of one inference.",
)
DTYPE = click.option(
    "--dtype",
    default="fp32",
    show_default=True,
    metavar="fp32|int8",
    help="Data type; with int8, networks are quantised first.",
)
BATCH_SIZE = click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Images per inference.",
)
COMMAND = click.option(
    "--command",
    metavar="'... {model}'",
    help="Shell command that runs the ONNX file {model} and prints milliseconds.",
)
TIMEOUT = click.option(
    "--timeout",
    type=float,
    default=60.0,
    show_default=True,
    metavar="S",
    help="Timeout of one call of the command, in seconds.",
)
MINUTES = click.option(
    "--minutes",
    type=float,
    default=8.0,
    show_default=True,
    metavar="M",
    help="Approximate total duration, in minutes.",
)
SPACE = click.option(
    "--space",
    default="mobilevit",
    show_default=True,
    metavar="SPACE",
    help="Search space from which networks are drawn.",
)
SEED = seed_option("")


def runtime_name(runtime: str | None, command: str | None) -> str:
    """Return the given runtime; by default ``command`` if a command is given, else onnxruntime."""
    return runtime or ("onnxruntime" if command is None else "command")
