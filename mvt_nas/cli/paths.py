"""Paths on the command line: as click takes them, but an empty text is no path (Python would read it as the current folder)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


class _NotEmpty(click.Path):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value).strip():
            self.fail("an empty text is no path", param, ctx)
        return super().convert(value, param, ctx)


FOLDER = _NotEmpty(path_type=Path)
FILE = _NotEmpty(path_type=Path, dir_okay=False)
FILE_OR_FOLDER = _NotEmpty(path_type=Path)
