"""The module that runs on a device: outputs as an app needs them, and their names.

Classifiers and segmenters return their logits. Detectors return scores and boxes, so that only
non-maximum suppression remains to be done.
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
    """A detection network with softmax and decoded boxes, for images of the task's resolution.

    Args:
        network: Detector that returns logits, (B, A, classes + 1), the background first, and
            offsets, (B, A, 4), of A anchors.
    """

    def __init__(self, network: TaskNetwork) -> None:
        super().__init__()
        self.network = network
        # Not a buffer, since anchors are not trained and do not belong in the state dict.
        self.anchors = network.anchors(network.task.resolution_px)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores, (B, A, classes), and boxes, (B, A, 4), of images, (B, 3, H, W).

        Scores are softmax probabilities, without that of the background. Boxes are corners
        (x1, y1, x2, y2) relative to the sides of the image, clipped to 0 to 1.
        """
        logits, offsets = self.network(images)
        return logits.softmax(dim=-1)[..., 1:], decode(offsets, self.anchors).clamp(0, 1)


def inference_module(model: ExportModel) -> nn.Module:
    """Return the module to export; it shares the weights of the model's module."""
    if _is_detector(model.module):
        return DetectorForInference(model.module).eval()
    return model.module


def output_names(model: ExportModel) -> tuple[str, ...]:
    """Return the names of the outputs of :func:`inference_module`, in order."""
    if _is_detector(model.module):
        return "scores", "boxes"
    return ("logits",) if model.task is None else model.task.outputs


def module_run(module: nn.Module) -> Run:
    """Return a function that runs a module on arrays, without gradients."""

    def run(images: NDArray[np.float32]) -> Outputs:
        with torch.inference_mode():
            outputs = module(torch.from_numpy(images))
        tensors = [outputs] if isinstance(outputs, Tensor) else outputs
        return pack_outputs([tensor.numpy() for tensor in tensors])

    return run


def pack_outputs(outputs: Sequence[NDArray[np.float32]]) -> Outputs:
    """Return a single output as it is, and several as a tuple."""
    return tuple(outputs) if len(outputs) > 1 else outputs[0]


def _is_detector(module: nn.Module) -> TypeGuard[TaskNetwork]:
    return isinstance(module, TaskNetwork) and isinstance(module.head, AnchorHeadModule)
