"""ExecuTorch: a ``.pte`` for single images (1, 3, H, W), in fp32, with what XNNPACK has kernels for handed to XNNPACK."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget, missing
from mvt_nas.export.metadata import KEY, metadata

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mvt_nas.export.base import Outputs, Run

_TOLERANCE = 1e-3
"""Of its kernels, that of group norm rounds coarsely: over 256 x 4096 numbers of order one it is
0.0016 off where torch's is 0.0000004."""


def write(subject: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``NAME.pte`` and return what ExecuTorch makes of it."""
    from mvt_nas.export.inference_module import inference_module
    from mvt_nas.latency.runtimes.executorch import program

    path = folder / f"{subject.name}.pte"
    path.write_bytes(
        program(inference_module(subject), subject.input_shape, {KEY: metadata(subject)})
    )
    return ExportedFiles(
        (path,),
        None,
        _run(path),
        any_batch=False,
        notes=(f"the method {KEY} returns the architecture as JSON",),
    )


def _run(path: Path) -> Run:
    import torch

    from mvt_nas.export.inference_module import pack_outputs
    from mvt_nas.latency.runtimes.executorch import load

    loaded = load(path)

    def run(images: NDArray[np.float32]) -> Outputs:
        return pack_outputs(
            [output.numpy().copy() for output in loaded.forward([torch.from_numpy(images)])]
        )

    return run


TARGETS.register("executorch")(
    ExportTarget(
        name="executorch",
        summary="a .pte for ExecuTorch with XNNPACK, fp32, single images; takes 20 s and more",
        write=write,
        trouble=lambda: missing(("executorch",), "executorch"),
        tolerance=_TOLERANCE,
    )
)
