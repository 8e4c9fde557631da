"""Core ML: a ``.mlpackage`` for single images (1, 3, H, W). It is converted on any machine and runs on Apple's only."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from pathlib import Path

from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget, missing
from mvt_nas.export.metadata import KEY, metadata

_OF_THE_CONVERTER = "executorch_debug_handle_mapping.json"
"""A file for debuggers of ExecuTorch, which no package of Core ML needs."""

_NOTES = (
    "needs iOS 16 or macOS 13; takes images (1, 3, H, W) and returns {outputs}, all float32",
    "runs on Apple's devices only, so its outputs were not compared here",
    "computes in fp16 in between, Core ML's default, which its Neural Engine needs",
)


def write(subject: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``NAME.mlpackage``, a folder."""
    import numpy
    import torch

    from mvt_nas._optional import silence_output
    from mvt_nas.export.inference_module import inference_module, output_names

    path = folder / f"{subject.name}.mlpackage"
    with (
        silence_output(),
        redirect_stderr(io.StringIO()),
    ):  # of progress, and of what is only there on Apple's machines
        import coremltools

        exported = torch.export.export(
            inference_module(subject), (torch.zeros(subject.input_shape),)
        ).run_decompositions({})
        images = coremltools.TensorType(
            name="images", shape=subject.input_shape, dtype=numpy.float32
        )
        outputs = [
            coremltools.TensorType(name=name, dtype=numpy.float32) for name in output_names(subject)
        ]
        model = coremltools.convert(
            exported,
            inputs=[images],
            outputs=outputs,
            minimum_deployment_target=coremltools.target.iOS16,
        )
        model.user_defined_metadata[KEY] = metadata(subject)
        model.save(str(path))
    (path / _OF_THE_CONVERTER).unlink(missing_ok=True)
    return ExportedFiles((path,), None, None, any_batch=False, notes=_notes(subject))


def _notes(subject: ExportModel) -> tuple[str, ...]:
    from mvt_nas.export.inference_module import output_names

    first, *others = _NOTES
    return first.format(outputs=" and ".join(output_names(subject))), *others


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
