"""Reads the architecture among the metadata properties of an ONNX model."""

from __future__ import annotations

from pathlib import Path

from mvt_nas.errors import ExportError, LatencyError
from mvt_nas.export.base import READERS, ImportedNetwork, NetworkReader
from mvt_nas.export.metadata import KEY, parse_metadata
from mvt_nas.onnx.file import load_onnx

_SUFFIX = ".onnx"
_FORMAT = "ONNX model of mvt-nas"


def read(path: Path) -> ImportedNetwork | None:
    """Return the architecture in an ``.onnx`` file; ``None`` for other files."""
    if path.suffix != _SUFFIX or path.is_dir():
        return None
    try:
        properties = {entry.key: entry.value for entry in load_onnx(path).metadata_props}
    except LatencyError as error:
        raise ExportError(str(error)) from None
    if KEY not in properties:
        raise ExportError(
            f"{path}: an ONNX model without an architecture in it; mvt-nas export --to onnx"
            " writes one"
        )
    return parse_metadata(properties[KEY], path, _FORMAT)


READERS.register("onnx")(
    NetworkReader(name="onnx", summary="an ONNX file that `mvt-nas export` wrote", read=read)
)
