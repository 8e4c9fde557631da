"""OpenVINO's own form, an ``.xml`` with its weights in a ``.bin``, in fp32 and for batches of any size."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget, missing
from mvt_nas.export.metadata import KEY, metadata

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mvt_nas.export.base import Outputs, Run


def write(subject: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``NAME.xml`` and ``NAME.bin`` and return what OpenVINO makes of them."""
    import openvino

    from mvt_nas.export.targets.onnx import trace
    from mvt_nas.latency.runtimes.openvino import read

    path = folder / f"{subject.name}.xml"
    with TemporaryDirectory(prefix="mvt-nas-openvino-") as temporary:
        source = Path(temporary) / f"{subject.name}.onnx"
        trace(subject, source)
        model = read(source)
        model.set_rt_info(metadata(subject), [KEY])
        openvino.save_model(model, path, compress_to_fp16=False)
    return ExportedFiles((path, path.with_suffix(".bin")), None, _run(path, subject))


def _run(path: Path, subject: ExportModel) -> Run:
    from mvt_nas.export.inference_module import output_names, pack_outputs
    from mvt_nas.latency.runtimes.openvino import compile_model, read

    request, names = (
        compile_model(read(path), threads=1).create_infer_request(),
        output_names(subject),
    )

    def run(images: NDArray[np.float32]) -> Outputs:
        found = request.infer([images])
        return pack_outputs([found[name].copy() for name in names])

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
