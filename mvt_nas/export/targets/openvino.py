"""OpenVINO: an ``.xml`` with its weights in a ``.bin``, in fp32, for batches of any size."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget, missing
from mvt_nas.export.inference_module import output_names, pack_outputs
from mvt_nas.export.metadata import KEY, metadata
from mvt_nas.export.targets.onnx import trace
from mvt_nas.latency.runtimes.openvino import compile_model, read

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mvt_nas.export.base import Outputs, Run


def write(model: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``NAME.xml`` and ``NAME.bin`` and compile them."""
    import openvino

    path = folder / f"{model.name}.xml"
    with TemporaryDirectory(prefix="mvt-nas-openvino-") as temporary:
        traced = Path(temporary) / f"{model.name}.onnx"
        trace(model, traced)
        openvino_model = read(traced)
        openvino_model.set_rt_info(metadata(model), [KEY])
        openvino.save_model(openvino_model, path, compress_to_fp16=False)
    return ExportedFiles((path, path.with_suffix(".bin")), None, _run(path, model))


def _run(path: Path, model: ExportModel) -> Run:
    request = compile_model(read(path), threads=1).create_infer_request()
    names = output_names(model)

    def run(images: NDArray[np.float32]) -> Outputs:
        results = request.infer([images])
        # The next call overwrites the memory of the results.
        return pack_outputs([results[name].copy() for name in names])

    return run


TARGETS.register("openvino")(
    ExportTarget(
        name="openvino",
        summary="OpenVINO's .xml and .bin, fp32, for batches of any size",
        write=write,
        trouble=lambda: missing(("onnx", "openvino"), "openvino"),
        runtime=True,
    )
)
