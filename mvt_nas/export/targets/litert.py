"""LiteRT, the successor of TensorFlow Lite: a ``.tflite`` for single images (1, 3, H, W), in fp32."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

from mvt_nas.export.contract import TARGETS, Subject, Target, Written, missing
from mvt_nas.export.stamp import FILE, stamp

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mvt_nas.export.contract import Run


def write(subject: Subject, folder: Path) -> Written:
    """Write ``NAME.tflite`` and return what LiteRT's interpreter makes of it."""
    from mvt_nas.latency.runtimes.litert import flatbuffer

    path = folder / f"{subject.name}.tflite"
    path.write_bytes(flatbuffer(subject.module, subject.input_shape))
    with ZipFile(path, "a") as beside:  # where this form has what belongs to a model, such as labels: in a zip after its end
        beside.writestr(FILE, stamp(subject))
    return Written((path,), None, _run(path, subject), any_batch=False)


def _run(path: Path, subject: Subject) -> Run:
    import numpy as np

    from mvt_nas.latency.runtimes.litert import LiteRtSession, interpreter

    session = LiteRtSession(interpreter(path.read_bytes(), threads=1), np.zeros(subject.input_shape, np.float32))

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        logits = session.logits(images)
        assert logits is not None
        return logits

    return run


TARGETS.register("litert")(
    Target(
        name="litert",
        summary="a .tflite for LiteRT (TensorFlow Lite), fp32, single images; takes 10 s and more",
        write=write,
        trouble=lambda: missing(("litert_torch", "ai_edge_litert"), "litert"),
        runtime=True,
    )
)
