"""Segmenters as transformers' ``MobileViTForSemanticSegmentation`` and ``MobileViTV2ForSemanticSegmentation``, and back.

Their logits have the size of the last map, ours that of the picture: what transformers leaves to
its image processor.

Source: the classes in Hugging Face's transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mvt_nas.errors import ExportError, listing
from mvt_nas.export.base import ExportModel
from mvt_nas.export.huggingface.architecture_to_config import configuration_for
from mvt_nas.export.huggingface.config_to_architecture import FIRST
from mvt_nas.models.lowering import fitted
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task
from mvt_nas.tasks.segmentation.config import Segmentation
from mvt_nas.tasks.segmentation.lowering import RATES

if TYPE_CHECKING:
    from torch import Tensor

SUFFIX = "ForSemanticSegmentation"
"""What the names of such classes end with."""

BACKBONE_SIZE = "mvt_nas_backbone_image_size"
"""Where the configuration holds the backbone's own resolution, which is not the task's."""

WHOLE = 32
"""The output stride without a stage that has lost its stride."""

_STRIDES = {FIRST: (8, 16, WHOLE)}
_PARTS = {"0": "convolution", "1": "normalization"}


def configuration(subject: ExportModel) -> dict[str, Any]:
    """Return the configuration, without classes and dropouts.

    Raises:
        ExportError: transformers cannot express the network.
    """
    task, where = subject.task, "target transformers cannot express the network"
    assert isinstance(task, Segmentation)
    own, reason = configuration_for(replace(subject.architecture, resolution_px=task.resolution_px))
    if own is None:
        raise ExportError(f"{where}: {reason}")
    allowed = _STRIDES.get(own["model_type"], (WHOLE,))
    if task.output_stride not in allowed:
        why = (
            ""
            if own["model_type"] == FIRST
            else (
                "; MobileViTV2 there does not dilate the convolutions in its blocks, as the"
                " authors do"
            )
        )
        raise ExportError(
            f"{where}: output_stride = {task.output_stride}, not {listing(allowed)}{why}"
        )
    return own | {
        "output_stride": task.output_stride,
        "aspp_out_channels": getattr(fitted(task, subject.architecture), "pyramid_width", 0),
        "atrous_rates": [task.rate * times for times in RATES],
        BACKBONE_SIZE: subject.architecture.resolution_px,
    }


def weights(subject: ExportModel, kind: str) -> dict[str, Tensor]:
    """Return the state dict under the names of transformers; ``kind`` is its ``model_type``."""
    from mvt_nas.export.weight_names import renamed_state_dict
    from mvt_nas.models.network import build_model

    classifier = build_model(subject.architecture, num_classes=1, seed=0)
    own = {
        name: value
        for name, value in subject.module.state_dict().items()
        if not name.startswith("head.")
    }
    classifier.load_state_dict(own, strict=False)
    backbone = {
        f"{kind}.{name}": value
        for name, value in renamed_state_dict(classifier, "transformers").items()
        if not _follows(name)
    }
    head = {
        _name(name.split(".")): value.detach().clone()
        for name, value in subject.module.get_submodule("head").state_dict().items()
    }
    return backbone | head


def segments(found: Mapping[str, Any]) -> bool:
    """Return whether a configuration is one of a segmenter."""
    names = found.get("architectures")
    return isinstance(names, list) and any(str(name).endswith(SUFFIX) for name in names[:1])


def task_of(found: Mapping[str, Any], architecture: Architecture, where: str) -> Task:
    """Return the task of a segmenter's configuration; ``architecture`` has the resolution of its pictures.

    Raises:
        ExportError: a head, or a stride, that no network here can have.
        ArchitectureError: a number that is not allowed.
    """
    first = found.get("model_type") == FIRST
    stride, rates, labels = (
        found.get("output_stride", WHOLE),
        found.get("atrous_rates", [6, 12, 18]),
        found.get("id2label"),
    )
    if stride not in _STRIDES.get(str(found.get("model_type")), (WHOLE,)):
        raise ExportError(
            f"{where}: output_stride = {stride!r} is not allowed;"
            f" {listing(_STRIDES[FIRST] if first else (WHOLE,))}"
        )
    if (
        not isinstance(rates, list)
        or not rates
        or type(rates[0]) is not int
        or rates != [rates[0] * times for times in RATES]
    ):
        raise ExportError(
            f"{where}: atrous_rates = {rates!r} is not allowed; a number, twice and thrice it"
        )
    plain = Segmentation(
        resolution_px=architecture.resolution_px,
        num_classes=len(labels) if isinstance(labels, dict) else 2,
        output_stride=stride,
        rate=rates[0],
    )
    width = found.get("aspp_out_channels", 256 if first else 512)
    return (
        plain
        if getattr(fitted(plain, architecture), "pyramid_width", 0) == width
        else replace(plain, pyramid_width=width)
    )


def _follows(name: str) -> bool:
    """Return whether a tensor belongs to what follows the stages in a classifier."""
    return name.startswith(("conv_1x1_exp.", "classifier."))


def _name(path: list[str]) -> str:
    """Return what transformers calls a tensor of our head."""
    match path:
        case ["branches", number, part, leaf]:
            return f"segmentation_head.aspp.convs.{number}.{_PARTS[part]}.{leaf}"
        case ["pooled", part, leaf]:
            return f"segmentation_head.aspp.convs.{len(RATES) + 1}.conv_1x1.{_PARTS[part]}.{leaf}"
        case ["project", part, leaf]:
            return f"segmentation_head.aspp.project.{_PARTS[part]}.{leaf}"
        case _:
            return f"segmentation_head.classifier.convolution.{path[-1]}"
