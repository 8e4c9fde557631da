"""A program of ``torch.export`` for batches of any size; the architecture is an extra file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.export import Dim, ExportedProgram

from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget
from mvt_nas.export.inference_module import inference_module, module_run
from mvt_nas.export.metadata import FILE, metadata


def write(model: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``NAME.pt2`` and load it."""
    path = folder / f"{model.name}.pt2"
    torch.export.save(export_program(model), path, extra_files={FILE: metadata(model)})
    loaded = torch.export.load(path)
    params = sum(weight.numel() for weight in loaded.parameters())
    return ExportedFiles((path,), params, module_run(loaded.module()))


def export_program(model: ExportModel) -> ExportedProgram:
    """Return the network as a program for batches of any size."""
    # Two images: torch.export takes an axis of size one for a constant.
    images = torch.zeros(2, *model.input_shape[1:])
    dynamic_shapes = ({0: Dim("batch")},)
    return torch.export.export(inference_module(model), (images,), dynamic_shapes=dynamic_shapes)


TARGETS.register("torch")(
    ExportTarget(
        name="torch",
        summary=(
            "a program of torch.export (.pt2) for batches of any size; needs no code of ours to run"
        ),
        write=write,
        runtime=True,
    )
)
