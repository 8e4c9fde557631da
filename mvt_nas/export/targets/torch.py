"""A program of ``torch.export`` for batches of any size, with the architecture among its extra files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mvt_nas.export.contract import TARGETS, Subject, Target, Written
from mvt_nas.export.stamp import FILE, stamp

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch.export import ExportedProgram

    from mvt_nas.export.contract import Run


def write(subject: Subject, folder: Path) -> Written:
    """Write ``NAME.pt2`` and return the program that is loaded from it."""
    import torch

    path = folder / f"{subject.name}.pt2"
    torch.export.save(program(subject), path, extra_files={FILE: stamp(subject)})
    loaded = torch.export.load(path)
    return Written((path,), sum(weight.numel() for weight in loaded.parameters()), _run(loaded))


def program(subject: Subject) -> ExportedProgram:
    """Return the network as a program for batches of any size."""
    import torch

    # Two images: torch takes a size of one for a constant.
    images = torch.zeros(2, *subject.input_shape[1:])
    return torch.export.export(subject.module, (images,), dynamic_shapes=({0: torch.export.Dim("batch")},))


def _run(loaded: ExportedProgram) -> Run:
    import torch

    module = loaded.module()

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            out: NDArray[np.float32] = module(torch.from_numpy(images)).numpy()
        return out

    return run


TARGETS.register("torch")(
    Target(
        name="torch",
        summary="a program of torch.export (.pt2) for batches of any size; needs no code of ours to run",
        write=write,
        runtime=True,
    )
)
