"""A program of ``torch.export`` for batches of any size, with the architecture among its extra files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mvt_nas.export.contract import TARGETS, Subject, Target, Written
from mvt_nas.export.stamp import FILE, stamp

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def write(subject: Subject, folder: Path) -> Written:
    """Write ``NAME.pt2`` and return the program that is loaded from it."""
    import torch

    from mvt_nas.export.deployed import module_run

    path = folder / f"{subject.name}.pt2"
    torch.export.save(program(subject), path, extra_files={FILE: stamp(subject)})
    loaded = torch.export.load(path)
    return Written((path,), sum(weight.numel() for weight in loaded.parameters()), module_run(loaded.module()))


def program(subject: Subject) -> ExportedProgram:
    """Return the network as a program for batches of any size."""
    import torch

    from mvt_nas.export.deployed import deployed

    # Two images: torch takes a size of one for a constant.
    images = torch.zeros(2, *subject.input_shape[1:])
    return torch.export.export(deployed(subject), (images,), dynamic_shapes=({0: torch.export.Dim("batch")},))


TARGETS.register("torch")(
    Target(
        name="torch",
        summary="a program of torch.export (.pt2) for batches of any size; needs no code of ours to run",
        write=write,
        runtime=True,
    )
)
