"""Architecture to ONNX file, quickly: torch's exporter by tracing takes about a second, its successor ten.

The successor is what torch advises; the traced graph has more nodes, which the runtimes' own
optimisers fold to the same kernels. Batch norms are folded into the convolutions before them.
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

from mvt_nas.errors import LatencyError
from mvt_nas.latency.runtime import missing, refusal
from mvt_nas.models.synthetic import random_images, realistic_network
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task

OPSET = 17
OUTPUTS = ("logits",)
"""What a classifier's output is called."""

KEPT = 4

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
    """Return the path after writing the network there, with plausible random weights and one input (B, 3, H, W) of fixed size.

    The last few exports are kept until the process ends, so that asking again is a copy.

    Raises:
        LatencyError: the package ``onnx`` is missing, or the file cannot be written.
    """
    trouble = missing(("onnx",), "onnx")
    if trouble:
        raise LatencyError(f"no network can be exported: {trouble}")
    key = (architecture.key, batch_size, num_classes, str(task), seed)
    kept = _kept()
    if key in kept:
        kept.move_to_end(key)
    else:
        model, side = (
            realistic_network(architecture, num_classes=num_classes, task=task, seed=seed),
            (task or architecture).resolution_px,
        )
        target = _folder() / f"{'-'.join(map(str, key))}.onnx"
        trace_to_onnx(
            model,
            (batch_size, 3, side, side),
            target,
            outputs=OUTPUTS if task is None else task.outputs,
        )
        kept[key] = target
        if len(kept) > KEPT:
            kept.popitem(last=False)[1].unlink()
    with refusal(f"{path} cannot be written"):
        shutil.copyfile(kept[key], path)
    return Path(path)


def trace_to_onnx(
    model: nn.Module,
    input_shape: tuple[int, int, int, int],
    path: Path,
    *,
    any_batch: bool = False,
    outputs: Sequence[str] = OUTPUTS,
) -> None:
    """Write a network in evaluation mode for images of one shape (B, C, H, W), or of any number B, into one file.

    Args:
        model: the network.
        input_shape: of the images.
        path: of the file.
        any_batch: whether any number of images can be given.
        outputs: what the file calls what the network returns.
    """
    open_axes = {name: {0: "batch"} for name in ("images", *outputs)} if any_batch else None
    images = torch.from_numpy(random_images(input_shape))
    with (
        warnings.catch_warnings()
    ):  # of torch about itself: deprecated calls, and that a trace keeps the sizes it saw
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", TracerWarning)
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
def _kept() -> OrderedDict[_Key, Path]:
    return OrderedDict()


@cache
def _folder() -> Path:
    folder, owner = Path(tempfile.mkdtemp(prefix="mvt-nas-onnx-")), os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # a forked worker must not take it from its parent
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder
