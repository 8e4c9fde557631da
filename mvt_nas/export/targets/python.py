"""One Python file that needs torch alone, written for this very network, with its weights beside it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget

if TYPE_CHECKING:
    from torch import nn


def write(subject: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``NAME.py`` and ``NAME.pt`` and return the network that they make."""
    import torch

    from mvt_nas.export.inference_module import module_run
    from mvt_nas.export.python_source.file import source

    path, weights = folder / f"{subject.name}.py", folder / f"{subject.name}.pt"
    text = source(subject)
    torch.save(subject.module.state_dict(), weights)
    path.write_text(text, encoding="utf-8")
    model = _made(path, subject.name)
    return ExportedFiles(
        (path, weights), sum(weight.numel() for weight in model.parameters()), module_run(model)
    )


def _made(path: Path, name: str) -> nn.Module:
    """Return the network of a file that has just been written here."""
    made = ModuleType(name)
    made.__file__ = str(path)
    exec(
        compile(path.read_text(encoding="utf-8"), path, "exec"), vars(made)
    )  # an import would leave compiled code beside it
    model: nn.Module = getattr(made, name)().eval()
    return model


TARGETS.register("python")(
    ExportTarget(
        name="python",
        summary="one readable Python file that needs torch alone, and its weights",
        write=write,
    )
)
