"""The constants ``ARCHITECTURE`` and ``TASK`` in a Python file, which is parsed and never run."""

from __future__ import annotations

import ast
import json
import warnings
from pathlib import Path

from mvt_nas.errors import ArchitectureError, ExportError
from mvt_nas.export.base import READERS, ImportedNetwork, NetworkReader
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task, task_from_dict

_LARGEST = 1_000_000
_NAMES = ("ARCHITECTURE", "NUM_CLASSES", "TASK")
_FORM = "PyTorch source of mvt-nas"


def read(path: Path) -> ImportedNetwork | None:
    """Return the architecture in a ``.py`` file; ``None`` for other files, and for Python without one."""
    if path.suffix != ".py" or path.is_dir():
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
    classes = constants.get("NUM_CLASSES")
    return ImportedNetwork(
        architecture, _FORM, {"num_classes": classes} if isinstance(classes, int) else {}, task
    )


def task_from_json(text: object, where: str) -> Task | None:
    """Return the task that a text says, ``None`` without one.

    Raises:
        ArchitectureError: it is damaged; ``where`` begins the message.
    """
    if text is None:
        return None
    try:
        data = json.loads(str(text))
    except (ValueError, RecursionError):
        data = None
    return task_from_dict(data, where)


def _constants(path: Path) -> dict[str, object]:
    """Return the constants that a file's outermost statements give a name."""
    size = path.stat().st_size
    if size > _LARGEST:
        raise ExportError(
            f"{path}: {size} bytes; Python with an architecture has at most {_LARGEST}"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the parser about somebody's text
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExportError(f"{path}: truncated, or no Python ({type(error).__name__})") from None
    found: dict[str, object] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            found |= {
                target.id: node.value.value
                for target in node.targets
                if isinstance(target, ast.Name) and target.id in _NAMES
            }
    return found


READERS.register("python")(
    NetworkReader(name="python", summary="a .py that `mvt-nas export` wrote", read=read)
)
