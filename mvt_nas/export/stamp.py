"""What an exported file says of the network in it: one line of JSON, wherever the form has a place for words.

It begins the same in every form, so that it can also be found in files whose form nobody here can take apart.
"""

from __future__ import annotations

import json
from pathlib import Path

import mvt_nas
from mvt_nas.errors import ArchitectureError, ExportError
from mvt_nas.export.contract import Found, Subject
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.contract import task_from_dict

KEY = "mvt_nas"
"""What the stamp is called among a form's own entries."""

FILE = f"{KEY}.json"
"""What the stamp is called where the form holds files."""

_LARGEST = 1_000_000
_BEGIN = f'{{"{KEY}":"'


def stamp(subject: Subject) -> str:
    """Return the stamp of a network: version, number of classes, task if it has one, architecture."""
    task = {} if subject.task is None else {"task": subject.task.to_dict()}
    entries = {KEY: mvt_nas.__version__, "num_classes": subject.num_classes, **task, "architecture": subject.architecture.to_dict()}
    return json.dumps(entries, separators=(",", ":"))


def read_stamp(text: str, path: Path, form: str) -> Found:
    """Return what a stamp says.

    Args:
        text: the stamp.
        path: of the file that it was found in, for messages.
        form: what the file is, in words.

    Raises:
        ExportError: it is damaged, or says what this version cannot express.
    """
    if len(text) > _LARGEST:
        raise ExportError(f"{path}: the description of the network in it has {len(text)} characters; at most {_LARGEST}")
    try:
        entries = json.loads(text)
        architecture = Architecture.from_dict(entries["architecture"], str(path))
        task = None if entries.get("task") is None else task_from_dict(entries["task"], f"{path}: task")
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ExportError(f"{path}: the description of the network in it is damaged") from None
    except ArchitectureError as error:
        raise ExportError(str(error)) from None
    settings = {name: entries[name] for name in ("num_classes",) if isinstance(entries.get(name), int)}
    return Found(architecture, form, settings, task)


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
