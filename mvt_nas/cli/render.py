"""Plain tables and JSON on the terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = 1
) -> None:
    """Print aligned columns; the first ``text_columns`` to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, ["-" * width for width in widths], *rows]:
        cells = [
            cell.ljust(width) if i < text_columns else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def print_json(document: Any) -> None:
    """Print one JSON document and nothing else."""
    click.echo(json.dumps(document, indent=2, allow_nan=False))
