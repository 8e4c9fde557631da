"""timm: one Python file that registers the model, its weights, and how to train it."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from mvt_nas._optional import installed
from mvt_nas.errors import ExportError
from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from mvt_nas.export.base import Run

_NOT_BUILT = (
    "timm is not installed here: read back is the architecture, the model file has not been run"
)


def write(subject: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``mvt_NAME.py``, ``mvt_NAME.pth`` and ``README.md``.

    Raises:
        ExportError: a block that no template expresses.
    """
    import torch

    from mvt_nas.export.reading import read_architecture
    from mvt_nas.export.timm.model_file import model_file
    from mvt_nas.export.timm.training_commands import readme
    from mvt_nas.export.weight_names import registered_name

    name = registered_name(subject.name)
    model, weights, words = folder / f"{name}.py", folder / f"{name}.pth", folder / "README.md"
    model.write_text(model_file(subject, name), encoding="utf-8")
    torch.save(subject.module.state_dict(), weights)
    words.write_text(readme(subject, name), encoding="utf-8")
    if read_architecture(model).architecture != subject.architecture:
        raise ExportError(f"{model}: reads back as another architecture")
    if not installed("timm"):
        return ExportedFiles((model, weights, words), None, None, notes=(_NOT_BUILT,))
    made = _made(model, name)
    return ExportedFiles(
        (model, weights, words), sum(weight.numel() for weight in made.parameters()), _run(made)
    )


def _made(path: Path, name: str) -> nn.Module:
    """Return the network of a file that has just been written here, as timm makes it."""
    from mvt_nas._optional import silence_output

    module = sys.modules[name] = ModuleType(name)  # timm looks a model's module up by its name
    module.__file__ = str(path)
    with silence_output():
        exec(
            compile(path.read_text(encoding="utf-8"), path, "exec"), vars(module)
        )  # an import would leave compiled code beside it
        model: nn.Module = import_module("timm.models").create_model(name, pretrained=True).eval()
    return model


def _run(model: nn.Module) -> Run:
    import torch

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            out: NDArray[np.float32] = model(torch.from_numpy(images)).numpy()
        return out

    return run


TARGETS.register("timm")(
    ExportTarget(
        name="timm",
        summary="a model (.py) that registers itself with timm, its weights and a command",
        write=write,
        refusal=lambda _: "timm trains classifiers only",
    )
)
