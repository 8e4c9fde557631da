"""The architecture among what the author of a Core ML package has to say of it, found by how it begins."""

from __future__ import annotations

from pathlib import Path

from mvt_nas.errors import ExportError
from mvt_nas.export.base import READERS, ImportedNetwork, NetworkReader
from mvt_nas.export.metadata import read_stamp, stamp_within

_SUFFIX = ".mlpackage"
_MODELS = "Data/*/*.mlmodel"
_FORM = "Core ML package of mvt-nas"


def read(path: Path) -> ImportedNetwork | None:
    """Return the architecture in a ``.mlpackage`` folder; ``None`` for anything else."""
    if path.suffix != _SUFFIX or not path.is_dir():
        return None
    models = sorted(path.glob(_MODELS))
    text = stamp_within(models[0].read_bytes()) if models else None
    if text is None:
        raise ExportError(
            f"{path}: incomplete, or a package without an architecture in it; mvt-nas export --to"
            " coreml writes one"
        )
    return read_stamp(text, path, _FORM)


READERS.register("coreml")(
    NetworkReader(
        name="coreml", summary="a .mlpackage folder that `mvt-nas export` wrote", read=read
    )
)
