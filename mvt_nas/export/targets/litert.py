"""LiteRT, formerly TensorFlow Lite: a ``.tflite`` for single images, in fp32."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

from mvt_nas._io import atomic_write
from mvt_nas.errors import ExportError
from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget, missing
from mvt_nas.export.inference_module import inference_module, pack_outputs
from mvt_nas.export.metadata import FILE, metadata
from mvt_nas.latency.runtimes.litert import flatbuffer, interpreter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mvt_nas.export.base import Outputs, Run


def write(model: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``NAME.tflite``, which takes images (1, 3, H, W), and open it."""
    path = folder / f"{model.name}.tflite"
    content = io.BytesIO(flatbuffer(inference_module(model), model.input_shape))
    # Files that belong to a model, such as labels, are in a zip archive appended to it.
    with ZipFile(content, "a") as archive:
        archive.writestr(FILE, metadata(model))
    with atomic_write(path, error=ExportError) as file:
        file.write(content.getvalue())
    return ExportedFiles((path,), None, _run(path), any_batch=False)


def _run(path: Path) -> Run:
    opened = interpreter(path.read_bytes(), threads=1)
    (input_details,) = opened.get_input_details()
    output_details = opened.get_output_details()

    def run(images: NDArray[np.float32]) -> Outputs:
        opened.set_tensor(input_details["index"], images)
        opened.invoke()
        return pack_outputs([opened.get_tensor(details["index"]) for details in output_details])

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
