"""What an exported file says of the network in it: one line of JSON, wherever the form has a place for words.

It begins the same in every form, so that it can also be found in files whose form nobody here can
take apart.

The stamp in a zip archive, or in one that follows something else in its file; nothing else in it is
looked into.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo, is_zipfile

from mvt_nas._version import __version__
from mvt_nas.errors import ArchitectureError, ExportError
from mvt_nas.export.base import ExportModel, ImportedNetwork
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import task_from_dict

KEY = "mvt_nas"
"""What the stamp is called among a form's own entries."""

FILE = f"{KEY}.json"
"""What the stamp is called where the form holds files."""

_LARGEST = 1_000_000
_BEGIN = f'{{"{KEY}":"'


def metadata(subject: ExportModel) -> str:
    """Return the stamp of a network: version, number of classes, task if it has one, architecture."""
    task = {} if subject.task is None else {"task": subject.task.to_dict()}
    entries = {
        KEY: __version__,
        "num_classes": subject.num_classes,
        **task,
        "architecture": subject.architecture.to_dict(),
    }
    return json.dumps(entries, separators=(",", ":"))


def read_stamp(text: str, path: Path, form: str) -> ImportedNetwork:
    """Return what a stamp says.

    Args:
        text: the stamp.
        path: of the file that it was found in, for messages.
        form: what the file is, in words.

    Raises:
        ExportError: it is damaged, or says what this version cannot express.
    """
    if len(text) > _LARGEST:
        raise ExportError(
            f"{path}: the description of the network in it has {len(text)} characters; at most"
            f" {_LARGEST}"
        )
    try:
        entries = json.loads(text)
        architecture = Architecture.from_dict(entries["architecture"], str(path))
        task = (
            None
            if entries.get("task") is None
            else task_from_dict(entries["task"], f"{path}: task")
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ExportError(f"{path}: the description of the network in it is damaged") from None
    except ArchitectureError as error:
        raise ExportError(str(error)) from None
    settings = {
        name: entries[name] for name in ("num_classes",) if isinstance(entries.get(name), int)
    }
    return ImportedNetwork(architecture, form, settings, task)


def stamp_within(content: bytes) -> str | None:
    """Return the stamp among other bytes, ``None`` where there is none; a damaged one is returned as far as it goes."""
    start = content.find(_BEGIN.encode())
    if start < 0:
        return None
    text = content[start : start + _LARGEST].decode("utf-8", errors="replace")
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return text
    return text[:end]


_LARGEST_ENTRY = 1_000_000


def zip_names(path: Path) -> Sequence[str] | None:
    """Return the names of all files in an archive, ``None`` where the file is none or has lost its end."""
    if not is_zipfile(path):
        return None
    try:
        with ZipFile(path) as archive:
            return archive.namelist()
    except (BadZipFile, ValueError, NotImplementedError):
        return None


def metadata_in_zip(path: Path) -> str | None:
    """Return the stamp in an archive, ``None`` where it has none.

    Raises:
        ExportError: the stamp is damaged.
    """
    try:
        with ZipFile(path) as archive:
            found = [
                entry for entry in archive.infolist() if entry.filename.rpartition("/")[2] == FILE
            ]
            return _text(archive, found[0]) if found else None
    except (BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError):
        raise ExportError(f"{path}: damaged; {FILE} in it cannot be read") from None


def _text(archive: ZipFile, entry: ZipInfo) -> str:
    if entry.file_size > _LARGEST_ENTRY:
        raise ValueError(entry.filename)
    with archive.open(entry) as file:
        return file.read(_LARGEST_ENTRY + 1).decode("utf-8")
