"""One Python file that needs only torch, written for one network, with its weights next to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mvt_nas._io import atomic_write, write_text
from mvt_nas.errors import ExportError
from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget
from mvt_nas.export.inference_module import module_run
from mvt_nas.export.python_source.file import execute_file, source

if TYPE_CHECKING:
    from torch import nn


def write(model: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``NAME.py`` and ``NAME.pt``, and build the network from them.

    Raises:
        ExportError: The network has a block, or a head, without a template.
    """
    path = folder / f"{model.name}.py"
    weights = folder / f"{model.name}.pt"
    text = source(model)
    with atomic_write(weights, error=ExportError) as file:
        torch.save(model.module.state_dict(), file)
    write_text(path, text, error=ExportError)
    network: nn.Module = getattr(execute_file(path, model.name), model.name)().eval()
    params = sum(weight.numel() for weight in network.parameters())
    return ExportedFiles((path, weights), params, module_run(network))


TARGETS.register("python")(
    ExportTarget(
        name="python",
        summary="one readable Python file that needs torch alone, and its weights",
        write=write,
    )
)
