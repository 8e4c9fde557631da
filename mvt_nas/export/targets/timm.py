"""timm: one Python file that registers the model, its weights, and a command to train it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mvt_nas._io import atomic_write, write_text
from mvt_nas._optional import installed, silence_output
from mvt_nas.errors import ExportError
from mvt_nas.export.base import (
    TARGETS,
    ExportedFiles,
    ExportModel,
    ExportTarget,
    read_architecture,
)
from mvt_nas.export.inference_module import module_run
from mvt_nas.export.model import registered_name
from mvt_nas.export.python_source.file import execute_file
from mvt_nas.export.timm.model_file import model_file, readme

if TYPE_CHECKING:
    from torch import nn

_NOT_BUILT = (
    "timm is not installed here: read back is the architecture, the model file has not been run"
)


def write(model: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``mvt_NAME.py``, ``mvt_NAME.pth`` and ``README.md``; build the model if timm is there.

    Raises:
        ExportError: The network has a block without a template.
    """
    name = registered_name(model.name)
    path = folder / f"{name}.py"
    weights = folder / f"{name}.pth"
    readme_path = folder / "README.md"
    files = (path, weights, readme_path)
    write_text(path, model_file(model, name), error=ExportError)
    with atomic_write(weights, error=ExportError) as file:
        torch.save(model.module.state_dict(), file)
    write_text(readme_path, readme(model, name), error=ExportError)
    if read_architecture(path).architecture != model.architecture:
        raise ExportError(f"{path}: reads back as another architecture")
    if not installed("timm"):
        return ExportedFiles(files, None, None, notes=(_NOT_BUILT,))
    network = _network(path, name)
    params = sum(weight.numel() for weight in network.parameters())
    return ExportedFiles(files, params, module_run(network))


def _network(path: Path, name: str) -> nn.Module:
    """Return the network of a file written here, created by timm."""
    with silence_output():
        # timm looks up the module of a model in sys.modules.
        execute_file(path, name, register=True)
        create_model = import_module("timm.models").create_model
        network: nn.Module = create_model(name, pretrained=True).eval()
    return network


TARGETS.register("timm")(
    ExportTarget(
        name="timm",
        summary="a model (.py) that registers itself with timm, its weights and a command",
        write=write,
        refusal=lambda _: "timm trains classifiers only",
    )
)
