"""Detectors and segmenters to export, and the outputs that are expected of them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mvt_nas.export.base import ExportModel
from mvt_nas.models.network import TaskNetwork
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.detection.anchors import decode
from tests.support.architectures import random_architecture
from tests.support.export_networks import BLOCKS, architecture_with

Arrays = tuple[NDArray[np.float32], ...]
PUBLISHED = ("mobilevit_xxs", "mobilevitv2_050", "mobilevitv3_xs")
DETECTION = "detection,num_classes=3,resolution_px=128"
SEGMENTATION = "segmentation,num_classes=4,resolution_px=96"
DILATED = "segmentation,num_classes=4,resolution_px=96,output_stride=8,pyramid_width=16,rate=2"
TEXTS = (DETECTION, SEGMENTATION)
SMALL = architecture_with(BLOCKS["v2"], BLOCKS["v3 on v1"])


def drawn(seed: int) -> Architecture:
    return random_architecture(np.random.default_rng(seed))


def expected(model: ExportModel, images: Tensor) -> Arrays:
    """Return the expected outputs: logits, or scores and boxes by their definitions."""
    network = model.module
    assert isinstance(network, TaskNetwork)
    with torch.no_grad():
        outputs = network(images)
        if isinstance(outputs, Tensor):
            return (outputs.numpy(),)
        logits, offsets = outputs
        raised = torch.exp(logits.double() - logits.double().amax(dim=2, keepdim=True))
        shares = (raised / raised.sum(dim=2, keepdim=True)).float()
        corners = decode(offsets, network.anchors(model.resolution_px))
    return shares[:, :, 1:].numpy(), corners.clip(0, 1).numpy()


def images_for(model: ExportModel, batch: int) -> Tensor:
    return torch.randn(
        batch, *model.input_shape[1:], generator=torch.Generator().manual_seed(batch)
    )
