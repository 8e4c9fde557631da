"""The description of a network inside exported files, from which ``mvt-nas import`` reads it.

Most formats have a place for text, which holds the description as one line of JSON. It begins with
the same characters everywhere, so that it is also found in formats that no library here can parse.
Archives, and files with a zip archive appended, hold it as the file ``mvt_nas.json``. Python files
hold it as constants.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo, is_zipfile

from mvt_nas._version import __version__
from mvt_nas.errors import ArchitectureError, ExportError
from mvt_nas.export.base import ExportModel, ImportedNetwork
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task, task_from_dict

KEY = "mvt_nas"
"""Name of the description among a format's own metadata entries."""

FILE = f"{KEY}.json"
"""Name of the description in formats that hold files."""

_MAX_LENGTH = 1_000_000
_BEGIN = f'{{"{KEY}":"'


def metadata(model: ExportModel) -> str:
    """Return the description of a network as JSON: version, classes, task if any, architecture."""
    task = {} if model.task is None else {"task": model.task.to_dict()}
    entries = {
        KEY: __version__,
        "num_classes": model.num_classes,
        **task,
        "architecture": model.architecture.to_dict(),
    }
    return json.dumps(entries, separators=(",", ":"))


def parse_metadata(text: str, path: Path, file_format: str) -> ImportedNetwork:
    """Return the network that a description describes.

    Args:
        text: The description.
        path: File in which it was found, for messages.
        file_format: Name of the file's format.

    Raises:
        ExportError: The description is damaged, or not supported by this version.
    """
    if len(text) > _MAX_LENGTH:
        raise ExportError(
            f"{path}: the description of the network in it has {len(text)} characters; at most"
            f" {_MAX_LENGTH}"
        )
    try:
        entries = json.loads(text)
        architecture = Architecture.from_dict(entries["architecture"], str(path))
        task = None
        if entries.get("task") is not None:
            task = task_from_dict(entries["task"], f"{path}: task")
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ExportError(f"{path}: the description of the network in it is damaged") from None
    except ArchitectureError as error:
        raise ExportError(str(error)) from None
    num_classes = entries.get("num_classes")
    settings = {"num_classes": num_classes} if isinstance(num_classes, int) else {}
    return ImportedNetwork(architecture, file_format, settings, task)


def metadata_in_bytes(content: bytes) -> str | None:
    """Return the description among other bytes, or ``None``; a damaged one as far as it reaches."""
    start = content.find(_BEGIN.encode())
    if start < 0:
        return None
    text = content[start : start + _MAX_LENGTH].decode("utf-8", errors="replace")
    try:
        # Other bytes follow the JSON, so only its end is of interest.
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return text
    return text[:end]


def zip_names(path: Path) -> Sequence[str] | None:
    """Return the names of all files in a zip archive; ``None`` if it is none, or truncated."""
    if not is_zipfile(path):
        return None
    try:
        with ZipFile(path) as archive:
            return archive.namelist()
    except (BadZipFile, ValueError, NotImplementedError):
        return None


def metadata_in_zip(path: Path) -> str | None:
    """Return the description in a zip archive, or ``None``. Nothing else in it is read.

    Raises:
        ExportError: The description is damaged.
    """
    try:
        with ZipFile(path) as archive:
            for entry in archive.infolist():
                if entry.filename.rpartition("/")[2] == FILE:
                    return _entry_text(archive, entry)
            return None
    except (BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError):
        raise ExportError(f"{path}: damaged; {FILE} in it cannot be read") from None


def _entry_text(archive: ZipFile, entry: ZipInfo) -> str:
    if entry.file_size > _MAX_LENGTH:
        raise ValueError(entry.filename)
    with archive.open(entry) as file:
        # The size in the archive's directory may be false, so the reading has a limit, too.
        return file.read(_MAX_LENGTH + 1).decode("utf-8")


def python_constants(model: ExportModel, columns: int = 100) -> str:
    """Return the description as the constants ``NUM_CLASSES``, ``TASK`` if any, ``ARCHITECTURE``.

    The last two are JSON in lines of at most ``columns`` characters.
    """
    architecture = "\n".join(_wrapped_architecture(model.architecture, columns))
    task = ""
    if model.task is not None:
        task = f'TASK = """\n{_wrapped_task(model.task, columns)}\n"""\n'
    return f'NUM_CLASSES = {model.num_classes}\n{task}ARCHITECTURE = """\n{architecture}\n"""'


def _wrapped_task(task: Task, columns: int) -> str:
    return textwrap.fill(
        json.dumps(task.to_dict()),
        columns,
        subsequent_indent=" ",
        break_on_hyphens=False,
        break_long_words=False,
    )


def _wrapped_architecture(architecture: Architecture, columns: int) -> Iterator[str]:
    """Yield the lines of the JSON: all fields but the stages, then each stage."""
    data = architecture.to_dict()
    head = json.dumps({name: value for name, value in data.items() if name != "stages"})
    yield f'{head[:-1]}, "stages": ['  # without the closing brace
    for number, stage in enumerate(data["stages"], start=1):
        comma = "," if number < len(data["stages"]) else ""
        yield from textwrap.wrap(
            json.dumps(stage) + comma,
            columns,
            initial_indent="  ",
            subsequent_indent="   ",
            break_on_hyphens=False,
            break_long_words=False,
        )
    yield "]}"
