"""A program of ``torch.export`` for batches of any size, with the architecture among its extra files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget
from mvt_nas.export.metadata import FILE, metadata

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def write(subject: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``NAME.pt2`` and return the program that is loaded from it."""
    import torch

    from mvt_nas.export.inference_module import module_run

    path = folder / f"{subject.name}.pt2"
    torch.export.save(program(subject), path, extra_files={FILE: metadata(subject)})
    loaded = torch.export.load(path)
    return ExportedFiles(
        (path,), sum(weight.numel() for weight in loaded.parameters()), module_run(loaded.module())
    )


def program(subject: ExportModel) -> ExportedProgram:
    """Return the network as a program for batches of any size."""
    import torch

    from mvt_nas.export.inference_module import inference_module

    # Two images: torch takes a size of one for a constant.
    images = torch.zeros(2, *subject.input_shape[1:])
    return torch.export.export(
        inference_module(subject), (images,), dynamic_shapes=({0: torch.export.Dim("batch")},)
    )


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
