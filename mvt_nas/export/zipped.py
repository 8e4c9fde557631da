"""The stamp in a zip archive, or in one that follows something else in its file; nothing else in it is looked into."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo, is_zipfile

from mvt_nas.errors import ExportError
from mvt_nas.export.stamp import FILE

_LARGEST = 1_000_000


def names(path: Path) -> Sequence[str] | None:
    """Return the names of all files in an archive, ``None`` where the file is none or has lost its end."""
    if not is_zipfile(path):
        return None
    try:
        with ZipFile(path) as archive:
            return archive.namelist()
    except (BadZipFile, ValueError, NotImplementedError):
        return None


def stamp_in_zip(path: Path) -> str | None:
    """Return the stamp in an archive, ``None`` where it has none.

    Raises:
        ExportError: the stamp is damaged.
    """
    try:
        with ZipFile(path) as archive:
            found = [entry for entry in archive.infolist() if entry.filename.rpartition("/")[2] == FILE]
            return _text(archive, found[0]) if found else None
    except (BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError):
        raise ExportError(f"{path}: damaged; {FILE} in it cannot be read") from None


def _text(archive: ZipFile, entry: ZipInfo) -> str:
    if entry.file_size > _LARGEST:
        raise ValueError(entry.filename)
    with archive.open(entry) as file:
        return file.read(_LARGEST + 1).decode("utf-8")
