"""Reads the architecture in the zip archive at the end of a LiteRT model's file."""

from __future__ import annotations

from pathlib import Path

from mvt_nas.errors import ExportError
from mvt_nas.export.base import READERS, ImportedNetwork, NetworkReader
from mvt_nas.export.metadata import metadata_in_zip, parse_metadata, zip_names

_SUFFIX = ".tflite"
_FORMAT = "LiteRT model of mvt-nas"


def read(path: Path) -> ImportedNetwork | None:
    """Return the architecture in a ``.tflite`` file; ``None`` for other files."""
    if path.suffix != _SUFFIX or path.is_dir():
        return None
    text = metadata_in_zip(path) if zip_names(path) is not None else None
    if text is None:
        raise ExportError(
            f"{path}: truncated, or a model without an architecture in it; mvt-nas export --to"
            " litert writes one"
        )
    return parse_metadata(text, path, _FORMAT)


READERS.register("litert")(
    NetworkReader(name="litert", summary="a .tflite that `mvt-nas export` wrote", read=read)
)
