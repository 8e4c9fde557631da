"""The whole file: what it is, imports, constants, classes, function."""

from __future__ import annotations

from mvt_nas._version import __version__
from mvt_nas.cost.counts import count
from mvt_nas.export.base import ExportModel
from mvt_nas.export.python_constants import python_constants
from mvt_nas.export.python_source.code_piece import COLUMNS
from mvt_nas.export.python_source.model_classes import classes
from mvt_nas.export.python_source.network import maker
from mvt_nas.export.python_source.task_network import head_text
from mvt_nas.export.python_source.templates import template

_ALWAYS = "MobileNetV2, arXiv 1801.04381"


def source(subject: ExportModel) -> str:
    """Return the network as a Python file that needs torch alone; its weights are expected in ``NAME.pt`` beside it.

    Raises:
        ExportError: it has a block, or the head of a task, that no template expresses.
    """
    text = classes(subject)
    return f"{_docstring(subject)}\n{_imports(text)}\n{python_constants(subject, COLUMNS)}\n\n\n{text}\n\n\n{maker(subject.name)}\n"


def _docstring(subject: ExportModel) -> str:
    name, side = subject.name, subject.resolution_px
    counts = count(subject.architecture, num_classes=subject.num_classes, task=subject.task)
    constants = "ARCHITECTURE" if subject.task is None else "ARCHITECTURE and TASK"
    return f'''\
"""{name}: a network for images of {side} x {side} pixels, in PyTorch alone.

{counts.params:,} parameters, {counts.macs:,} multiply-adds for one image, {subject.num_classes} classes.

    from {name} import {", ".join(_taken(subject))}

    model = {name}().eval()  # with the weights of {name}.pt, beside this file
{_indented(_usage(subject))}

Sources:
{_indented(_sources(subject))}

Written by mvt-nas {__version__} from {constants}, by which it also reads this file again.
"""
'''


def _taken(subject: ExportModel) -> list[str]:
    """Return the names to import from the file."""
    return sorted(
        [
            subject.name,
            *(
                ()
                if subject.task is None
                else head_text(subject.architecture, subject.task).functions
            ),
        ]
    )


def _usage(subject: ExportModel) -> list[str]:
    if subject.task is not None:
        return list(head_text(subject.architecture, subject.task).usage)
    side = subject.resolution_px
    return [
        f"logits = model(images)  # (B, {subject.num_classes}) for images (B, 3, {side}, {side})"
    ]


def _sources(subject: ExportModel) -> list[str]:
    found = [_ALWAYS]
    for number, stage in enumerate(subject.architecture.stages, start=1):
        if stage.block is not None:
            found += template(number, stage.block).sources(stage.block)
    if subject.task is not None:
        found += head_text(subject.architecture, subject.task).sources
    return list(dict.fromkeys(found))


def _indented(lines: list[str]) -> str:
    return "\n".join(f"    {line}" for line in lines)


def _imports(code: str) -> str:
    functional = "from torch.nn import functional as F\n" if "F." in code else ""
    return f"""\
from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
{functional}"""
