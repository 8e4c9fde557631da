"""Reads the architecture in the metadata of a Core ML package, without coremltools."""

from __future__ import annotations

from pathlib import Path

from mvt_nas.errors import ExportError
from mvt_nas.export.base import READERS, ImportedNetwork, NetworkReader
from mvt_nas.export.metadata import metadata_in_bytes, parse_metadata

_SUFFIX = ".mlpackage"
_MODELS = "Data/*/*.mlmodel"
_FORMAT = "Core ML package of mvt-nas"


def read(path: Path) -> ImportedNetwork | None:
    """Return the architecture in a ``.mlpackage`` folder; ``None`` for anything else."""
    if path.suffix != _SUFFIX or not path.is_dir():
        return None
    models = sorted(path.glob(_MODELS))
    text = metadata_in_bytes(models[0].read_bytes()) if models else None
    if text is None:
        raise ExportError(
            f"{path}: incomplete, or a package without an architecture in it; mvt-nas export --to"
            " coreml writes one"
        )
    return parse_metadata(text, path, _FORMAT)


READERS.register("coreml")(
    NetworkReader(
        name="coreml", summary="a .mlpackage folder that `mvt-nas export` wrote", read=read
    )
)
