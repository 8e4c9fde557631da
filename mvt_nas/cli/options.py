"""Options that several commands share; loads nothing heavy, unlike the modules that act on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
TABLE_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")

BASELINE = click.option(
    "--baseline",
    "baselines",
    multiple=True,
    metavar="FILE.onnx|MODULE:FUNCTION",
    help=(
        "Your own network to compare with; may be followed by ,resolution_px=PX,name=NAME and known"
        " values such as ,imagenet_top1=69.8. May be repeated."
    ),
)

MOST = click.option(
    "--measure-most",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    metavar="N",
    help="Largest number of networks of the front to measure, evenly spread along it.",
)

SECONDS = click.option(
    "--measure-seconds",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    metavar="S",
    help="Duration of the timing per measured network, in seconds.",
)


def seed_option(of: str) -> Callable[[Command], Command]:
    """Return the option ``--seed``, 0 by default.

    Args:
        of: What the seed determines, for the help.
    """
    return click.option(
        "--seed",
        type=click.IntRange(0, 2**32 - 1),
        default=0,
        show_default=True,
        metavar="S",
        help=f"Random seed{of}.",
    )
