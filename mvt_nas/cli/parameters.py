"""Paths on the command line: as click takes them, but an empty text is no path (Python would read it as the current folder).

Reading ``DIM=VALUE`` from the command line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mvt_nas.errors import SpaceError


class _NotEmpty(click.Path):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value).strip():
            self.fail("an empty text is no path", param, ctx)
        return super().convert(value, param, ctx)


FOLDER = _NotEmpty(path_type=Path)
FILE = _NotEmpty(path_type=Path, dir_okay=False)
FILE_OR_FOLDER = _NotEmpty(path_type=Path)


def parse_fixed(texts: tuple[str, ...]) -> dict[str, Any]:
    """Return dimension to value, read as YAML reads a scalar (``true``, ``2``, ``conv``).

    Raises:
        SpaceError: a text has no ``=``, or a dimension is named twice.
    """
    import yaml

    result: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise SpaceError(
                f"--fix {text!r} cannot be read; write for example --fix stage3.patch=2"
            )
        if name.strip() in result:
            raise SpaceError(f"--fix {name.strip()} is given twice")
        try:
            result[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise SpaceError(f"--fix {text!r}: the value {value!r} cannot be read") from None
    return result
