"""ExecuTorch: a ``.pte`` for single images, in fp32, delegated to XNNPACK where it has kernels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mvt_nas._io import atomic_write
from mvt_nas.errors import ExportError
from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget, missing
from mvt_nas.export.inference_module import inference_module, pack_outputs
from mvt_nas.export.metadata import KEY, metadata
from mvt_nas.latency.runtimes.executorch import load, program

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mvt_nas.export.base import Outputs, Run

_TOLERANCE = 1e-3
"""Tolerance for the coarse rounding of ExecuTorch's group norm.

Over 256 x 4096 numbers of order one its error is 0.0016, that of torch's kernel 0.0000004.
"""


def write(model: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``NAME.pte``, which takes images (1, 3, H, W), and load it."""
    path = folder / f"{model.name}.pte"
    content = program(inference_module(model), model.input_shape, {KEY: metadata(model)})
    with atomic_write(path, error=ExportError) as file:
        file.write(content)
    return ExportedFiles(
        (path,),
        None,
        _run(path),
        any_batch=False,
        notes=(f"the method {KEY} returns the architecture as JSON",),
    )


def _run(path: Path) -> Run:
    loaded = load(path)

    def run(images: NDArray[np.float32]) -> Outputs:
        outputs = loaded.forward([torch.from_numpy(images)])
        # The next call overwrites the memory of the outputs.
        return pack_outputs([output.numpy().copy() for output in outputs])

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
