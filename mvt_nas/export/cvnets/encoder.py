"""A backbone as ml-cvnets' encoder: a classifier, of which its detectors and segmenters take the stages away from its head."""

from __future__ import annotations

from dataclasses import replace

import torch

from mvt_nas.errors import ExportError, listing
from mvt_nas.export.base import ExportModel
from mvt_nas.export.cvnets.yaml_file import ENCODER_CLASSES
from mvt_nas.models.network import build_model
from mvt_nas.tasks.strides import steps

_REDUCTIONS = [2, 4, 8, 16, 32]
_OUTPUT_STRIDES = (8, 16)


def encoder(subject: ExportModel) -> ExportModel:
    """Return the classifier with the weights of a network's backbone; what follows the backbone has initial weights.

    Raises:
        ExportError: ml-cvnets would make another network of it.
    """
    _check(subject)
    network = build_model(subject.architecture, num_classes=ENCODER_CLASSES, seed=0).eval()
    state, own = network.state_dict(), subject.module.state_dict()
    with torch.no_grad():
        for name in state.keys() & own.keys():
            state[name].copy_(own[name])
    return replace(subject, module=network, num_classes=ENCODER_CLASSES, task=None)


def _check(subject: ExportModel) -> None:
    assert subject.task is not None
    where = f"target cvnets cannot express the task {subject.task.kind}"
    reductions = [
        step.reduction
        for step in steps([stage.stride for stage in subject.architecture.stages], None)
    ]
    if reductions != _REDUCTIONS:
        raise ExportError(
            f"{where}: it takes maps of 1/{listing(_REDUCTIONS)} of the picture from five stages,"
            f" this backbone has 1/{listing(reductions)}"
        )
    stride = getattr(subject.task, "output_stride", None)
    if stride is not None and stride < _REDUCTIONS[-1] and stride not in _OUTPUT_STRIDES:
        raise ExportError(
            f"{where}: output_stride = {stride} is not one of {listing(_OUTPUT_STRIDES)}, 32 and"
            " more"
        )
