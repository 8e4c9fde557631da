"""What of a network goes to a device: its outputs as an app needs them, and their names.

Classifiers and segmenters give their logits. Detectors give scores and boxes, so that only
non-maximum suppression is left to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeGuard

import torch
from torch import Tensor, nn

from mvt_nas.models.network import AnchorHeadModule, TaskNetwork
from mvt_nas.tasks.detection.anchors import decode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mvt_nas.export.base import ExportModel, Outputs, Run


class DetectorForInference(nn.Module):
    """A detection network that gives scores and boxes; its anchors are constants, for the task's resolution.

    Args:
        network: gives logits, (B, A, classes + 1), the background first, and offsets, (B, A, 4).
    """

    def __init__(self, network: TaskNetwork) -> None:
        super().__init__()
        self.network = network
        self.anchors = network.anchors(
            network.task.resolution_px
        )  # no buffer: it is no part of what the network has learnt

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores, (B, A, classes), and boxes, (B, A, 4), of images, (B, 3, H, W).

        Scores are probabilities beside that of the background, which is left out. Boxes are corners
        (x1, y1, x2, y2) in sides of the picture, cut to it.
        """
        logits, offsets = self.network(images)
        return logits.softmax(dim=-1)[..., 1:], decode(offsets, self.anchors).clamp(0, 1)


def inference_module(subject: ExportModel) -> nn.Module:
    """Return the module that is exported; it shares the weights of the subject's."""
    return (
        DetectorForInference(subject.module).eval() if _detects(subject.module) else subject.module
    )


def output_names(subject: ExportModel) -> tuple[str, ...]:
    """Return what its outputs are called, in their order."""
    if _detects(subject.module):
        return "scores", "boxes"
    return ("logits",) if subject.task is None else subject.task.outputs


def module_run(module: nn.Module) -> Run:
    """Return what gives a module's outputs as arrays."""

    def run(images: NDArray[np.float32]) -> Outputs:
        with torch.inference_mode():
            outputs = module(torch.from_numpy(images))
        return pack_outputs(
            [outputs.numpy()]
            if isinstance(outputs, Tensor)
            else [output.numpy() for output in outputs]
        )

    return run


def pack_outputs(outputs: Sequence[NDArray[np.float32]]) -> Outputs:
    """Return the outputs as a network returns them: one by itself, several as a tuple."""
    return tuple(outputs) if len(outputs) > 1 else outputs[0]


def _detects(module: nn.Module) -> TypeGuard[TaskNetwork]:
    return isinstance(module, TaskNetwork) and isinstance(module.head, AnchorHeadModule)
