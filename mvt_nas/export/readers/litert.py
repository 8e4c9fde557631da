"""The architecture in the zip archive that follows a model of LiteRT in its file."""

from __future__ import annotations

from pathlib import Path

from mvt_nas.errors import ExportError
from mvt_nas.export.contract import READERS, Found, Reader
from mvt_nas.export.stamp import read_stamp
from mvt_nas.export.zipped import names, stamp_in_zip

_SUFFIX = ".tflite"
_FORM = "LiteRT model of mvt-nas"


def read(path: Path) -> Found | None:
    """Return the architecture in a ``.tflite`` file; ``None`` for other files."""
    if path.suffix != _SUFFIX or path.is_dir():
        return None
    text = stamp_in_zip(path) if names(path) is not None else None
    if text is None:
        raise ExportError(f"{path}: truncated, or a model without an architecture in it; mvt-nas export --to litert writes one")
    return read_stamp(text, path, _FORM)


READERS.register("litert")(Reader(name="litert", summary="a .tflite that `mvt-nas export` wrote", read=read))
