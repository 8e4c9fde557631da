"""ONNX, for batches of any size, with the architecture among the model's metadata properties."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mvt_nas._io import atomic_write
from mvt_nas.errors import ExportError
from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget, missing
from mvt_nas.export.inference_module import inference_module, output_names, pack_outputs
from mvt_nas.export.metadata import KEY, metadata
from mvt_nas.latency.runtime import RuntimeJob
from mvt_nas.latency.runtimes.onnxruntime import inference_session
from mvt_nas.onnx.export import trace_to_onnx

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mvt_nas.export.base import Outputs, Run


def write(model: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``NAME.onnx`` and open it in ONNX Runtime."""
    import onnx

    from mvt_nas.onnx.weights import count_weights

    path = folder / f"{model.name}.onnx"
    with TemporaryDirectory(prefix="mvt-nas-onnx-") as temporary:
        traced = Path(temporary) / path.name
        trace(model, traced)
        onnx_model = onnx.load(traced)
    onnx.helper.set_model_props(onnx_model, {KEY: metadata(model)})
    with atomic_write(path, error=ExportError) as file:
        onnx.save(onnx_model, file)
    params = count_weights(onnx.load(path).graph)
    return ExportedFiles((path,), params, _run(path, model), folded=True)


def trace(model: ExportModel, path: Path) -> None:
    """Write the network without metadata, for batches of any size."""
    # Two images: in a trace with one, the batch could become an axis that is always of size one.
    trace_to_onnx(
        inference_module(model),
        (2, *model.input_shape[1:]),
        path,
        any_batch=True,
        outputs=output_names(model),
    )


def _run(path: Path, model: ExportModel) -> Run:
    session = inference_session(RuntimeJob(model.input_shape, threads=1, model=path))
    names = list(output_names(model))

    def run(images: NDArray[np.float32]) -> Outputs:
        return pack_outputs(session.run(names, {"images": images}))

    return run


TARGETS.register("onnx")(
    ExportTarget(
        name="onnx",
        summary="an ONNX file for batches of any size, checked in ONNX Runtime",
        write=write,
        trouble=lambda: missing(("onnx", "onnxruntime"), "onnx"),
        runtime=True,
    )
)
