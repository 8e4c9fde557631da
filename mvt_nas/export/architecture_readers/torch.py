"""Reads the architecture in an archive of ``torch.export``, and refuses pickles unread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mvt_nas.errors import ExportError
from mvt_nas.export.base import READERS, ImportedNetwork, NetworkReader
from mvt_nas.export.metadata import metadata_in_zip, parse_metadata, zip_names

_SUFFIX = ".pt2"
_PICKLE_SUFFIXES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt")
_FORMAT = "program of torch.export by mvt-nas"


def read(path: Path) -> ImportedNetwork | None:
    """Return the architecture in a ``.pt2`` file; ``None`` for other files but pickles.

    Raises:
        ExportError: The file is a pickle, whatever its name, or is damaged.
    """
    if path.is_dir():
        return None
    names = zip_names(path)
    if path.suffix != _SUFFIX:
        if _is_pickle(path, names):
            raise ExportError(
                f"{path}: refused: a pickle can hold code, so it is not read; give an architecture,"
                " with these as --weights"
            )
        return None
    if names is None:
        raise ExportError(f"{path}: truncated, or no program of torch.export")
    text = metadata_in_zip(path)
    if text is None:
        raise ExportError(
            f"{path}: a program without an architecture in it; mvt-nas export --to torch writes one"
        )
    return parse_metadata(text, path, _FORMAT)


def _is_pickle(path: Path, names: Sequence[str] | None) -> bool:
    """Return True if a file is a pickle, is a zip archive with one, or has a pickle's suffix."""
    if names is not None:
        return any(name.endswith(".pkl") for name in names)
    with path.open("rb") as file:
        start = file.read(2)
    # A pickle of protocol 2 or later begins with the opcode PROTO and the number of the protocol.
    return path.suffix in _PICKLE_SUFFIXES or (start[:1] == b"\x80" and start[1:] <= b"\x05")


READERS.register("torch")(
    NetworkReader(name="torch", summary="a .pt2 that `mvt-nas export` wrote", read=read)
)
