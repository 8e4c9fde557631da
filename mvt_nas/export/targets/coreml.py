"""Core ML: a ``.mlpackage`` for single images, converted on any machine, for Apple's devices."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from pathlib import Path

import numpy as np
import torch

from mvt_nas._optional import silence_output
from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget, missing
from mvt_nas.export.inference_module import inference_module, output_names
from mvt_nas.export.metadata import KEY, metadata

# A file for debuggers of ExecuTorch that the converter writes, and Core ML does not need.
_DEBUG_FILE = "executorch_debug_handle_mapping.json"

_NOTES = (
    "needs iOS 16 or macOS 13; takes images (1, 3, H, W) and returns {outputs}, all float32",
    "runs on Apple's devices only, so its outputs were not compared here",
    "computes in fp16 in between, Core ML's default, which its Neural Engine needs",
)


def write(model: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``NAME.mlpackage``, a folder, which takes images (1, 3, H, W)."""
    path = folder / f"{model.name}.mlpackage"
    # The converter prints progress bars, and warnings on machines that are not Apple's.
    with silence_output(), redirect_stderr(io.StringIO()):
        import coremltools

        example = (torch.zeros(model.input_shape),)
        program = torch.export.export(inference_module(model), example).run_decompositions({})
        images = coremltools.TensorType(name="images", shape=model.input_shape, dtype=np.float32)
        outputs = [
            coremltools.TensorType(name=name, dtype=np.float32) for name in output_names(model)
        ]
        converted = coremltools.convert(
            program,
            inputs=[images],
            outputs=outputs,
            minimum_deployment_target=coremltools.target.iOS16,
        )
        converted.user_defined_metadata[KEY] = metadata(model)
        converted.save(str(path))
    (path / _DEBUG_FILE).unlink(missing_ok=True)
    first_note, *other_notes = _NOTES
    notes = (first_note.format(outputs=" and ".join(output_names(model))), *other_notes)
    return ExportedFiles((path,), None, None, any_batch=False, notes=notes)


TARGETS.register("coreml")(
    ExportTarget(
        name="coreml",
        summary=(
            "a .mlpackage for Core ML, fp16, single images; converts here, runs on Apple's devices"
        ),
        write=write,
        trouble=lambda: missing(("coremltools",), "coreml"),
    )
)
