"""Quick ONNX export by tracing, of modules and of architectures with random weights.

PyTorch's exporter by tracing takes about a second, its successor ten. PyTorch recommends the
successor; the traced graph has more nodes, which the optimisers of the runtimes fold to the same
kernels. Batch norms are folded into the convolutions before them.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TypeAlias

import torch
from torch import nn
from torch.jit._trace import TracerWarning

from mvt_nas._optional import missing, one_line_errors
from mvt_nas.errors import LatencyError
from mvt_nas.models.random_images import random_images
from mvt_nas.models.synthetic import realistic_network
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task

OPSET = 17
OUTPUTS = ("logits",)
"""Names of a classifier's outputs."""

CACHED_EXPORTS = 4
"""Number of the latest exports that are kept as files until the process ends."""

_Key: TypeAlias = tuple[str, int, int, str, int]


def export_onnx(
    architecture: Architecture,
    path: str | Path,
    *,
    batch_size: int = 1,
    num_classes: int = 1000,
    task: Task | None = None,
    seed: int = 0,
) -> Path:
    """Write an architecture with realistic random weights to an ONNX file.

    The file has one input, images (B, 3, H, W) of fixed size. The latest exports are cached until
    the process ends, so that a repeated export is a copy.

    Args:
        architecture: network to export.
        path: file to write.
        batch_size: images per inference.
        num_classes: outputs of the classifier.
        task: downstream task of the network; ``None`` for classification.
        seed: seed of the weights.

    Returns:
        The path of the file.

    Raises:
        LatencyError: the package ``onnx`` is missing, or the file cannot be written.
    """
    trouble = missing(("onnx",), "onnx")
    if trouble:
        raise LatencyError(f"no network can be exported: {trouble}")
    key = (architecture.key, batch_size, num_classes, str(task), seed)
    exports = _cached_exports()
    if key in exports:
        exports.move_to_end(key)
    else:
        model = realistic_network(architecture, num_classes=num_classes, task=task, seed=seed)
        side = (task or architecture).resolution_px
        target = _cache_folder() / f"{'-'.join(map(str, key))}.onnx"
        outputs = OUTPUTS if task is None else task.outputs
        trace_to_onnx(model, (batch_size, 3, side, side), target, outputs=outputs)
        exports[key] = target
        if len(exports) > CACHED_EXPORTS:
            _, oldest = exports.popitem(last=False)
            oldest.unlink()
    with one_line_errors(f"{path} cannot be written", LatencyError):
        shutil.copyfile(exports[key], path)
    return Path(path)


def trace_to_onnx(
    model: nn.Module,
    input_shape: tuple[int, int, int, int],
    path: Path,
    *,
    any_batch: bool = False,
    outputs: Sequence[str] = OUTPUTS,
) -> None:
    """Write a network in evaluation mode to one ONNX file, for images of one shape.

    Args:
        model: the network.
        input_shape: shape of the images, (B, C, H, W).
        path: file to write.
        any_batch: whether the batch size is left open.
        outputs: names of the network's outputs in the file.
    """
    open_axes = {name: {0: "batch"} for name in ("images", *outputs)} if any_batch else None
    images = torch.from_numpy(random_images(input_shape))
    # PyTorch warns about its own deprecated calls, and that a trace fixes the sizes it has seen.
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning, TracerWarning):
            warnings.simplefilter("ignore", category)
        torch.onnx.export(
            model,
            (images,),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=["images"],
            output_names=list(outputs),
            dynamic_axes=open_axes,
        )


@cache
def _cached_exports() -> OrderedDict[_Key, Path]:
    return OrderedDict()


@cache
def _cache_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="mvt-nas-onnx-"))
    owner = os.getpid()

    def remove() -> None:
        # A forked worker must not remove the folder of its parent.
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder
