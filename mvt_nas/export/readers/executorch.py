"""The architecture among the constants of a program of ExecuTorch, found by how it begins; the program is not run."""

from __future__ import annotations

from pathlib import Path

from mvt_nas.errors import ExportError
from mvt_nas.export.base import READERS, ImportedNetwork, NetworkReader
from mvt_nas.export.metadata import read_stamp, stamp_within

_SUFFIX = ".pte"
_FORM = "ExecuTorch program of mvt-nas"


def read(path: Path) -> ImportedNetwork | None:
    """Return the architecture in a ``.pte`` file; ``None`` for other files."""
    if path.suffix != _SUFFIX or path.is_dir():
        return None
    text = stamp_within(path.read_bytes())
    if text is None:
        raise ExportError(
            f"{path}: truncated, or a program without an architecture in it; mvt-nas export --to"
            " executorch writes one"
        )
    return read_stamp(text, path, _FORM)


READERS.register("executorch")(
    NetworkReader(name="executorch", summary="a .pte that `mvt-nas export` wrote", read=read)
)
