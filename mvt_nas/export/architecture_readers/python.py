"""Reads the constants ``ARCHITECTURE`` and ``TASK`` in a Python file, which is never run."""

from __future__ import annotations

import ast
import json
import warnings
from pathlib import Path

from mvt_nas.errors import ArchitectureError, ExportError
from mvt_nas.export.base import READERS, ImportedNetwork, NetworkReader
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task, task_from_dict

_SUFFIX = ".py"
_MAX_BYTES = 1_000_000
_NAMES = ("ARCHITECTURE", "NUM_CLASSES", "TASK")
_FORMAT = "PyTorch source of mvt-nas"


def read(path: Path) -> ImportedNetwork | None:
    """Return the architecture in a ``.py`` file; ``None`` for other files and other Python."""
    if path.suffix != _SUFFIX or path.is_dir():
        return None
    constants = _constants(path)
    text = constants.get("ARCHITECTURE")
    if not isinstance(text, str):
        return None
    try:
        architecture = Architecture.from_json(text, f"{path}: ARCHITECTURE")
        task = task_from_json(constants.get("TASK"), f"{path}: TASK")
    except ArchitectureError as error:
        raise ExportError(str(error)) from None
    num_classes = constants.get("NUM_CLASSES")
    settings = {"num_classes": num_classes} if isinstance(num_classes, int) else {}
    return ImportedNetwork(architecture, _FORMAT, settings, task)


def task_from_json(text: object, where: str) -> Task | None:
    """Return the task that JSON describes; ``None`` for ``None``.

    Raises:
        ArchitectureError: The JSON or the task is damaged; ``where`` begins the message.
    """
    if text is None:
        return None
    try:
        data = json.loads(str(text))
    except (ValueError, RecursionError):
        data = None
    return task_from_dict(data, where)


def _constants(path: Path) -> dict[str, object]:
    """Return the constants that statements at the top level of a file assign to known names."""
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise ExportError(
            f"{path}: {size} bytes; Python with an architecture has at most {_MAX_BYTES}"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the parser warns about invalid escape sequences
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExportError(f"{path}: truncated, or no Python ({type(error).__name__})") from None
    constants: dict[str, object] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id in _NAMES:
                    constants[target.id] = node.value.value
    return constants


READERS.register("python")(
    NetworkReader(name="python", summary="a .py that `mvt-nas export` wrote", read=read)
)
