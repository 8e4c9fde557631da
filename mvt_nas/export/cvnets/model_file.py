"""The Python file that defines the network for ml-cvnets, whose YAML cannot describe it.

It consists of the texts next to this module, which build the network from the constants in the
file. They follow the interfaces of tag cvnets-v0.4.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from mvt_nas._fields import specs
from mvt_nas._version import __version__
from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import ExportError, listing
from mvt_nas.export.base import ExportModel
from mvt_nas.export.cvnets.yaml_file import ENCODER_CLASSES
from mvt_nas.export.metadata import python_constants
from mvt_nas.export.python_source.templates import class_name, filled
from mvt_nas.models.network import build_model
from mvt_nas.space.architecture import CONV, Architecture
from mvt_nas.tasks.strides import steps

_PARTS = ("head.txt", "blocks.txt", "model.txt")
_SUPPORTED_FIELDS = {
    "attention",
    "dim",
    "transformer_depth",
    "ffn_dim",
    "heads",
    "patch",
    "local_conv",
    "local_kernel",
    "fusion",
    "fusion_kernel",
    "residual",
    "norm",
    "projection",
    "fusion_activation",
    "concat_order",
    "resize",
    "align_corners",
}
"""Fields of a MobileViT block that ``blocks.txt`` implements."""

_ENCODER_REDUCTIONS = [2, 4, 8, 16, 32]
"""Ratios of the image's side to those of the five feature maps that ml-cvnets' heads take."""

_ENCODER_OUTPUT_STRIDES = (8, 16)
"""Output strides below 32 that ml-cvnets can give an encoder."""


def model_file(model: ExportModel, name: str) -> str:
    """Return the text of the Python file.

    Args:
        model: The network, a classifier.
        name: Name of the model in ml-cvnets.

    Raises:
        ExportError: The file does not implement a block of the network.
    """
    _check_blocks(model.architecture)
    folder = Path(__file__).parent
    text = "\n\n".join((folder / part).read_text(encoding="utf-8") for part in _PARTS)
    values = {
        "@NAME@": name,
        "@CLASS@": class_name(name),
        "@VERSION@": __version__,
        "@CONSTANTS@": python_constants(model),
    }
    return filled(text, values)


def _check_blocks(architecture: Architecture) -> None:
    """Refuse blocks of other distributions, and fields that are newer than the file."""
    for number, stage in enumerate(architecture.stages, start=1):
        where = f"target cvnets cannot express stage {number}"
        if stage.kind not in (CONV, MobileViT.kind):
            raise ExportError(f"{where}: block = {stage.kind!r}; one of {CONV}, {MobileViT.kind}")
        if stage.block is not None:
            unknown = set(specs(type(stage.block))) - _SUPPORTED_FIELDS
            if unknown:
                raise ExportError(f"{where}: it does not know the field {listing(sorted(unknown))}")


def encoder(model: ExportModel) -> ExportModel:
    """Return the backbone of a detector or segmenter as a classifier, ml-cvnets' encoder.

    ml-cvnets puts its own head on the stages of the encoder. The layers behind the stages have
    initial weights.

    Raises:
        ExportError: ml-cvnets would build another network from it.
    """
    _check_encoder(model)
    network = build_model(model.architecture, num_classes=ENCODER_CLASSES, seed=0).eval()
    state = network.state_dict()
    own_state = model.module.state_dict()
    with torch.no_grad():
        for name in state.keys() & own_state.keys():
            state[name].copy_(own_state[name])
    return replace(model, module=network, num_classes=ENCODER_CLASSES, task=None)


def _check_encoder(model: ExportModel) -> None:
    """Refuse backbones that ml-cvnets' heads do not take, and output strides that it lacks."""
    assert model.task is not None
    where = f"target cvnets cannot express the task {model.task.kind}"
    strides = [stage.stride for stage in model.architecture.stages]
    reductions = [step.reduction for step in steps(strides, None)]
    if reductions != _ENCODER_REDUCTIONS:
        raise ExportError(
            f"{where}: it takes maps of 1/{listing(_ENCODER_REDUCTIONS)} of the image from five"
            f" stages, this backbone has 1/{listing(reductions)}"
        )
    stride = getattr(model.task, "output_stride", None)
    full_stride = _ENCODER_REDUCTIONS[-1]
    if stride is not None and stride < full_stride and stride not in _ENCODER_OUTPUT_STRIDES:
        raise ExportError(
            f"{where}: output_stride = {stride} is not one of {listing(_ENCODER_OUTPUT_STRIDES)},"
            f" {full_stride} and more"
        )
