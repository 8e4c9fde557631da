"""The constants in exported Python files by which ``mvt-nas import`` reads them again (see ``readers/python.py``)."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator

from mvt_nas.export.base import ExportModel
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task


def python_constants(subject: ExportModel, columns: int = 100) -> str:
    """Return the assignments of ``NUM_CLASSES``, ``TASK`` if there is one, and ``ARCHITECTURE``.

    The last two are JSON in lines of at most ``columns`` characters.
    """
    lines = "\n".join(_wrapped(subject.architecture, columns))
    task = "" if subject.task is None else f'TASK = """\n{_task(subject.task, columns)}\n"""\n'
    return f'NUM_CLASSES = {subject.num_classes}\n{task}ARCHITECTURE = """\n{lines}\n"""'


def _task(task: Task, columns: int) -> str:
    return textwrap.fill(
        json.dumps(task.to_dict()),
        columns,
        subsequent_indent=" ",
        break_on_hyphens=False,
        break_long_words=False,
    )


def _wrapped(architecture: Architecture, columns: int) -> Iterator[str]:
    data = architecture.to_dict()
    head = json.dumps({name: value for name, value in data.items() if name != "stages"})
    yield f'{head[:-1]}, "stages": ['
    for number, stage in enumerate(data["stages"], start=1):
        text = json.dumps(stage) + ("," if number < len(data["stages"]) else "")
        yield from textwrap.wrap(
            text,
            columns,
            initial_indent="  ",
            subsequent_indent="   ",
            break_on_hyphens=False,
            break_long_words=False,
        )
    yield "]}"
