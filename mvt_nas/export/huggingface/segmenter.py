"""Segmenters as transformers' MobileViT and MobileViTV2 for semantic segmentation, and back.

Their logits have the size of the last map, ours that of the image. transformers leaves resizing to
its image processor.

Source: ``MobileViTForSemanticSegmentation`` and ``MobileViTV2ForSemanticSegmentation`` in Hugging
Face's transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mvt_nas.errors import ExportError, listing
from mvt_nas.export.base import ExportModel
from mvt_nas.export.huggingface.architecture_to_config import configuration_for
from mvt_nas.export.huggingface.config_to_architecture import V1
from mvt_nas.models.lowering import fitted
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task
from mvt_nas.tasks.segmentation.config import Segmentation
from mvt_nas.tasks.segmentation.lowering import RATES

SUFFIX = "ForSemanticSegmentation"
"""End of the names of such classes."""

BACKBONE_SIZE = "mvt_nas_backbone_image_size"
"""Setting with the resolution of the backbone alone, which may differ from that of the task."""

FULL_STRIDE = 32
"""Output stride without dilation."""

_OUTPUT_STRIDES = {V1: (8, 16, FULL_STRIDE)}
"""Supported output strides by ``model_type``; others support the full stride only."""

# Defaults of transformers for settings of the head.
_ATROUS_RATES = [6, 12, 18]
_ASPP_CHANNELS_V1 = 256
_ASPP_CHANNELS_V2 = 512
_NUM_LABELS = 2

_PARTS = {"0": "convolution", "1": "normalization"}


def configuration(model: ExportModel) -> dict[str, Any]:
    """Return the configuration of a segmenter, without classes and dropouts.

    Raises:
        ExportError: transformers cannot express the network.
    """
    task = model.task
    where = "target transformers cannot express the network"
    assert isinstance(task, Segmentation)
    backbone = replace(model.architecture, resolution_px=task.resolution_px)
    settings, reason = configuration_for(backbone)
    if settings is None:
        raise ExportError(f"{where}: {reason}")
    kind = settings["model_type"]
    allowed = _OUTPUT_STRIDES.get(kind, (FULL_STRIDE,))
    if task.output_stride not in allowed:
        explanation = ""
        if kind != V1:
            explanation = (
                "; MobileViTV2 there does not dilate the convolutions in its blocks, as the authors"
                " do"
            )
        raise ExportError(
            f"{where}: output_stride = {task.output_stride}, not {listing(allowed)}{explanation}"
        )
    return settings | {
        "output_stride": task.output_stride,
        "aspp_out_channels": _pyramid_width(task, model.architecture),
        "atrous_rates": [task.rate * factor for factor in RATES],
        BACKBONE_SIZE: model.architecture.resolution_px,
    }


def _pyramid_width(task: Segmentation, architecture: Architecture) -> int:
    """Return the channels of the head, which depend on the backbone where the task names none."""
    width: int = getattr(fitted(task, architecture), "pyramid_width", 0)
    return width


def is_segmenter(configuration: Mapping[str, Any]) -> bool:
    """Return True if a configuration is that of a segmenter."""
    names = configuration.get("architectures")
    return isinstance(names, list) and any(str(name).endswith(SUFFIX) for name in names[:1])


def task_of(configuration: Mapping[str, Any], architecture: Architecture, where: str) -> Task:
    """Return the task of a segmenter's configuration.

    Args:
        configuration: The configuration.
        architecture: Its backbone, at the resolution of the task.
        where: Beginning of messages, such as the path of the file.

    Raises:
        ExportError: The head or the output stride is not supported by this package.
        ArchitectureError: A number is not allowed.
    """
    is_v1 = configuration.get("model_type") == V1
    stride = configuration.get("output_stride", FULL_STRIDE)
    allowed = _OUTPUT_STRIDES.get(str(configuration.get("model_type")), (FULL_STRIDE,))
    if stride not in allowed:
        raise ExportError(f"{where}: output_stride = {stride!r} is not allowed; {listing(allowed)}")
    labels = configuration.get("id2label")
    task = Segmentation(
        resolution_px=architecture.resolution_px,
        num_classes=len(labels) if isinstance(labels, dict) else _NUM_LABELS,
        output_stride=stride,
        rate=_rate(configuration, where),
    )
    default_width = _ASPP_CHANNELS_V1 if is_v1 else _ASPP_CHANNELS_V2
    width = configuration.get("aspp_out_channels", default_width)
    # A width that equals the task's default for this backbone is left to the default, so that the
    # task is equal to the exported one.
    return (
        task if _pyramid_width(task, architecture) == width else replace(task, pyramid_width=width)
    )


def _rate(configuration: Mapping[str, Any], where: str) -> int:
    """Return the smallest dilation of the head, of which the others are multiples."""
    rates = configuration.get("atrous_rates", _ATROUS_RATES)
    supported = (
        isinstance(rates, list)
        and len(rates) > 0
        and type(rates[0]) is int
        and rates == [rates[0] * factor for factor in RATES]
    )
    if not supported:
        raise ExportError(
            f"{where}: atrous_rates = {rates!r} is not allowed; a number, twice and thrice it"
        )
    rate: int = rates[0]
    return rate


def head_key(name: str) -> str:
    """Return transformers' name of a tensor of our head, given its name in the head."""
    match name.split("."):
        case ["branches", number, part, leaf]:
            return f"segmentation_head.aspp.convs.{number}.{_PARTS[part]}.{leaf}"
        case ["pooled", part, leaf]:
            # The pooled branch follows the 1 x 1 convolution and one convolution for each rate.
            return f"segmentation_head.aspp.convs.{len(RATES) + 1}.conv_1x1.{_PARTS[part]}.{leaf}"
        case ["project", part, leaf]:
            return f"segmentation_head.aspp.project.{_PARTS[part]}.{leaf}"
        case path:
            return f"segmentation_head.classifier.convolution.{path[-1]}"
