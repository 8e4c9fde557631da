"""The whole Python file of a network, and the execution of generated files."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from mvt_nas._version import __version__
from mvt_nas.cost.counts import count
from mvt_nas.export.base import ExportModel
from mvt_nas.export.metadata import python_constants
from mvt_nas.export.python_source.network import classes, model_function
from mvt_nas.export.python_source.templates import COLUMNS, block_template, head_source

_MOBILENET_V2 = "MobileNetV2, arXiv 1801.04381"


def source(model: ExportModel) -> str:
    """Return the network as a Python file that needs only torch.

    The file expects the weights in ``NAME.pt`` next to it.

    Raises:
        ExportError: There is no template for a block or for the head.
    """
    code = classes(model)
    header = f"{_docstring(model)}\n{_imports(code)}\n"
    parts = (python_constants(model, COLUMNS), code, model_function(model.name))
    return header + "\n\n\n".join(parts) + "\n"


def execute_file(path: Path, name: str, *, register: bool = False) -> ModuleType:
    """Return the module of a generated file.

    An import would leave compiled code next to the file, so it is compiled here.

    Args:
        path: Path of a file that this process has written.
        name: Name of the module.
        register: Whether the module is added to ``sys.modules`` before it is executed.
    """
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    if register:
        sys.modules[name] = module
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), vars(module))
    return module


def _docstring(model: ExportModel) -> str:
    name = model.name
    side = model.resolution_px
    counts = count(model.architecture, num_classes=model.num_classes, task=model.task)
    classes_text = f"{model.num_classes} classes"
    constants = "ARCHITECTURE" if model.task is None else "ARCHITECTURE and TASK"
    return f'''\
"""{name}: a network for images of {side} x {side} pixels, in PyTorch alone.

{counts.params:,} parameters, {counts.macs:,} multiply-adds for one image, {classes_text}.

    from {name} import {", ".join(_public_names(model))}

    model = {name}().eval()  # with the weights of {name}.pt, next to this file
{_indented(_usage(model))}

Sources:
{_indented(_sources(model))}

Written by mvt-nas {__version__} from {constants}, from which it also reads this file again.
"""
'''


def _public_names(model: ExportModel) -> list[str]:
    """Return the names to import from the file."""
    functions: tuple[str, ...] = ()
    if model.task is not None:
        functions = head_source(model.architecture, model.task).functions
    return sorted([model.name, *functions])


def _usage(model: ExportModel) -> list[str]:
    """Return the lines of an example that calls the network."""
    if model.task is not None:
        return list(head_source(model.architecture, model.task).usage)
    side = model.resolution_px
    return [f"logits = model(images)  # (B, {model.num_classes}) for images (B, 3, {side}, {side})"]


def _sources(model: ExportModel) -> list[str]:
    """Return the papers of all parts of the network, each once."""
    papers = [_MOBILENET_V2]
    for number, stage in enumerate(model.architecture.stages, start=1):
        if stage.block is not None:
            papers += block_template(number, stage.block).sources(stage.block)
    if model.task is not None:
        papers += head_source(model.architecture, model.task).sources
    return list(dict.fromkeys(papers))


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
