"""Reads the architecture among the constants of an ExecuTorch program, without running it."""

from __future__ import annotations

from pathlib import Path

from mvt_nas.errors import ExportError
from mvt_nas.export.base import READERS, ImportedNetwork, NetworkReader
from mvt_nas.export.metadata import metadata_in_bytes, parse_metadata

_SUFFIX = ".pte"
_FORMAT = "ExecuTorch program of mvt-nas"


def read(path: Path) -> ImportedNetwork | None:
    """Return the architecture in a ``.pte`` file; ``None`` for other files."""
    if path.suffix != _SUFFIX or path.is_dir():
        return None
    text = metadata_in_bytes(path.read_bytes())
    if text is None:
        raise ExportError(
            f"{path}: truncated, or a program without an architecture in it; mvt-nas export --to"
            " executorch writes one"
        )
    return parse_metadata(text, path, _FORMAT)


READERS.register("executorch")(
    NetworkReader(name="executorch", summary="a .pte that `mvt-nas export` wrote", read=read)
)
