"""The architecture beside a program of ``torch.export``; what else is in the archive is not read, least of all pickles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mvt_nas.errors import ExportError
from mvt_nas.export.base import READERS, ImportedNetwork, NetworkReader
from mvt_nas.export.metadata import metadata_in_zip, read_stamp, zip_names

_SUFFIX = ".pt2"
_PICKLED = (".pt", ".pth", ".pkl", ".pickle", ".ckpt")
_FORM = "program of torch.export by mvt-nas"


def read(path: Path) -> ImportedNetwork | None:
    """Return the architecture in a ``.pt2`` file; ``None`` for other files. Pickles of any name are refused."""
    if path.is_dir():
        return None
    inside = zip_names(path)
    if path.suffix != _SUFFIX:
        if _pickled(path, inside):
            raise ExportError(
                f"{path}: refused: a pickle can hold code, so it is not read; give an architecture,"
                " with these as --weights"
            )
        return None
    if inside is None:
        raise ExportError(f"{path}: truncated, or no program of torch.export")
    text = metadata_in_zip(path)
    if text is None:
        raise ExportError(
            f"{path}: a program without an architecture in it; mvt-nas export --to torch writes one"
        )
    return read_stamp(text, path, _FORM)


def _pickled(path: Path, inside: Sequence[str] | None) -> bool:
    """Return whether a file is a pickle, holds one, or is called like one."""
    if inside is not None:
        return any(name.endswith(".pkl") for name in inside)
    with path.open("rb") as file:
        begin = file.read(2)
    return path.suffix in _PICKLED or (begin[:1] == b"\x80" and begin[1:] <= b"\x05")


READERS.register("torch")(
    NetworkReader(name="torch", summary="a .pt2 that `mvt-nas export` wrote", read=read)
)
