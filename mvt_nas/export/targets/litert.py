"""LiteRT, the successor of TensorFlow Lite: a ``.tflite`` for single images (1, 3, H, W), in fp32."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget, missing
from mvt_nas.export.metadata import FILE, metadata

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mvt_nas.export.base import Outputs, Run


def write(subject: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``NAME.tflite`` and return what LiteRT's interpreter makes of it."""
    from mvt_nas.export.inference_module import inference_module
    from mvt_nas.latency.runtimes.litert import flatbuffer

    path = folder / f"{subject.name}.tflite"
    path.write_bytes(flatbuffer(inference_module(subject), subject.input_shape))
    with (
        ZipFile(path, "a") as beside
    ):  # where this form has what belongs to a model, such as labels: in a zip after its end
        beside.writestr(FILE, metadata(subject))
    return ExportedFiles((path,), None, _run(path), any_batch=False)


def _run(path: Path) -> Run:
    from mvt_nas.export.inference_module import pack_outputs
    from mvt_nas.latency.runtimes.litert import interpreter

    opened = interpreter(path.read_bytes(), threads=1)
    given, *_ = opened.get_input_details()
    found = opened.get_output_details()

    def run(images: NDArray[np.float32]) -> Outputs:
        opened.set_tensor(given["index"], images)
        opened.invoke()
        return pack_outputs([opened.get_tensor(output["index"]) for output in found])

    return run


TARGETS.register("litert")(
    ExportTarget(
        name="litert",
        summary="a .tflite for LiteRT (TensorFlow Lite), fp32, single images; takes 10 s and more",
        write=write,
        trouble=lambda: missing(("litert_torch", "ai_edge_litert"), "litert"),
        runtime=True,
    )
)
