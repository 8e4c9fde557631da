"""The HTML file: template, style, scripts, Plotly and data in one, which opens without a network.

Plotly and the data are compressed and Base64-encoded, so that nothing in them can be taken for
markup. The content security policy of the page forbids it to fetch anything.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
from collections.abc import Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from mvt_nas.errors import RunError
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.html.content import content

# The highest level takes five times as long for a file that is one per cent smaller.
_COMPRESSION_LEVEL = 6
_STATIC = files("mvt_nas.report.html") / "static"


def write_page(runs: Sequence[Run], path: Path) -> Path:
    """Write the page of one or several runs and return its path.

    Raises:
        RunError: Nothing is complete, the runs cannot be compared, or the file cannot be written.
    """
    text = page(content(runs))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror or error})") from None
    return path


def page(shown: dict[str, Any]) -> str:
    """Return the HTML of a page.

    Args:
        shown: Content of the page, from :func:`mvt_nas.report.html.content.content`.
    """
    from plotly.offline import get_plotlyjs

    parts = {
        "title": html.escape(str(shown["title"])),
        "style": _read("page.css"),
        "script": "\n".join(script.read_text(encoding="utf-8") for script in _scripts()),
        "plotly": _packed(get_plotlyjs()),
        "content": _packed(json.dumps(shown, separators=(",", ":"), allow_nan=False)),
    }
    text = _read("page.html")
    for name, part in parts.items():
        before, mark, after = text.partition(f"<!-- {name} -->")
        assert mark, name
        text = f"{before}{part}{after}"
    return text


def _scripts() -> list[Traversable]:
    return sorted(
        (file for file in _STATIC.iterdir() if file.name.endswith(".js")),
        key=lambda file: file.name,
    )


def _read(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")


def _packed(text: str) -> str:
    """Return text compressed and Base64-encoded; equal texts give equal results."""
    return base64.b64encode(gzip.compress(text.encode(), _COMPRESSION_LEVEL, mtime=0)).decode()
