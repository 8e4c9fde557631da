"""ONNX, for batches of any size, with the architecture among the model's properties."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget, missing
from mvt_nas.export.metadata import KEY, metadata

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mvt_nas.export.base import Outputs, Run


def write(subject: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``NAME.onnx`` and return what ONNX Runtime makes of it."""
    import onnx

    from mvt_nas.onnx.weights import count_weights

    path = folder / f"{subject.name}.onnx"
    trace(subject, path)
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {KEY: metadata(subject)})
    onnx.save(model, path)
    return ExportedFiles(
        (path,), count_weights(onnx.load(path).graph), _run(path, subject), folded=True
    )


def trace(subject: ExportModel, path: Path) -> None:
    """Write the network alone, for batches of any size."""
    from mvt_nas.export.inference_module import inference_module, output_names
    from mvt_nas.onnx.export import trace_to_onnx

    # Two images: a trace of one could take the batch for an axis that is always of size one.
    trace_to_onnx(
        inference_module(subject),
        (2, *subject.input_shape[1:]),
        path,
        any_batch=True,
        outputs=output_names(subject),
    )


def _run(path: Path, subject: ExportModel) -> Run:
    from mvt_nas.export.inference_module import output_names, pack_outputs
    from mvt_nas.latency.runtime import RuntimeJob
    from mvt_nas.latency.runtimes.onnxruntime import inference_session

    session, names = (
        inference_session(RuntimeJob(subject.input_shape, threads=1, model=path)),
        list(output_names(subject)),
    )

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
