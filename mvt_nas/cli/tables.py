"""Plain tables and numbers for terminals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = 1) -> None:
    """Print aligned columns; the first ``text_columns`` to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, ["-" * width for width in widths], *rows]:
        cells = [
            cell.ljust(width) if i < text_columns else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def print_json(document: Any) -> None:
    """Print one JSON document and nothing else."""
    click.echo(json.dumps(document, indent=2, allow_nan=False))


def short(value: float, unit: str = "") -> str:
    """Return a number with three or four figures and a factor of a thousand, such as ``1.27 M``."""
    if abs(value) >= 1e15:
        return f"{value:.4g} {unit}".strip()
    for factor, name in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.{_decimals(value / factor)}f} {name}{unit}"
    return f"{value:.0f} {unit}".strip() if float(value).is_integer() else f"{value:.4g} {unit}".strip()


def _decimals(value: float) -> int:
    return 2 if abs(value) < 100 else 1
