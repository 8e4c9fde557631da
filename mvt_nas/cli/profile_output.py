"""What the commands about latency profiles print: their progress, and the quality of a profile."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from tqdm import tqdm


def format_quality(quality: Mapping[str, Any]) -> str:
    """Return error statistics as one line."""
    parts = [
        f"mean error {100 * quality['mape']:.1f} %",
        f"{100 * quality['within5']:.0f} % within ±5 %",
        f"{100 * quality['within10']:.0f} % within ±10 %",
        f"Spearman {quality['spearman']:.3f}",
        f"Kendall {quality['kendall']:.3f}",
    ]
    if "noise_floor" in quality:
        parts.append(f"measurements repeat to {100 * quality['noise_floor']:.1f} %")
    return f"{', '.join(parts)} ({quality['n']} networks)"


@contextmanager
def round_progress() -> Iterator[Callable[[int, int, str], None]]:
    """Yield a listener that prints progress: a bar on a terminal, lines elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total, what: click.echo(f"{done}/{total} rounds measured", err=True)
        return
    with tqdm(unit="round", dynamic_ncols=True, file=sys.stderr) as bar:

        def listener(done: int, total: int, what: str) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield listener
