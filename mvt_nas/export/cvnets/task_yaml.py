"""What settings for ml-cvnets say of detection and segmentation: SSDLite and DeepLabv3 around the exported model as the encoder.

Source: the options of tag cvnets-v0.4, with the values of the release's configurations of MobileViT
and MobileViTv2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mvt_nas.export.base import ExportModel
from mvt_nas.models.lowering import fitted
from mvt_nas.tasks.detection.anchors import CENTRE_VARIANCE, SIZE_VARIANCE
from mvt_nas.tasks.detection.config import Detection
from mvt_nas.tasks.detection.feature_maps import (
    LARGEST,
    POOLED,
    PROJECTED,
    RATIOS,
    SMALLER,
    SMALLEST,
)
from mvt_nas.tasks.segmentation.config import Segmentation
from mvt_nas.tasks.segmentation.lowering import RATES
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.recipes.ssdlite import linear

WARMUP_ITERATIONS = 500
_STRIDES = [16, 32, 64, 128, 256, -1]
_UNLABELLED = 255
_WHOLE_STRIDE = 32


def task_settings(subject: ExportModel, recipe: Recipe) -> dict[str, dict[str, Any]]:
    """Return the groups of settings that only a training of the subject's task has, or has otherwise; the model's without its encoder."""
    assert subject.task is not None
    return _SETTINGS[subject.task.kind](subject, subject.task, recipe)


def _detection(subject: ExportModel, task: Detection, recipe: Recipe) -> dict[str, dict[str, Any]]:
    assert recipe.detection is not None
    side, values = task.resolution_px, recipe.detection
    anchors = {"output_strides": _STRIDES, "aspect_ratios": [list(ratios) for ratios in RATIOS]}
    matcher = {
        "center_variance": CENTRE_VARIANCE,
        "size_variance": SIZE_VARIANCE,
        "iou_threshold": values.match_iou,
    }
    negatives = {"ssd_multibox_loss": {"neg_pos_ratio": values.negatives_per_positive}}
    head = {"proj_channels": [*PROJECTED, *SMALLER, POOLED], "nms_iou_threshold": values.nms_iou}
    return {
        "dataset": {"name": "coco_ssd", "category": "detection"},
        "image_augmentation": {
            "resize": {
                "enable": True,
                "size": [side, side],
                "interpolation": recipe.images.interpolation,
            }
        },
        "loss": {"category": "detection", "detection": {"name": "ssd_multibox_loss", **negatives}},
        "anchor_generator": {
            "name": "ssd",
            "ssd": {**anchors, "min_scale_ratio": SMALLEST, "max_scale_ratio": LARGEST},
        },
        "matcher": {"name": "ssd", "ssd": matcher},
        "model": {"detection": {"name": "ssd", "n_classes": task.num_classes + 1, "ssd": head}},
        "stats": {
            "val": ["loss", "coco_map"],
            "train": ["loss"],
            "checkpoint_metric": "coco_map.bbox",
            "checkpoint_metric_max": True,
        },
    }


def _segmentation(
    subject: ExportModel, task: Segmentation, recipe: Recipe
) -> dict[str, dict[str, Any]]:
    width = getattr(fitted(task, subject.architecture), "pyramid_width", 0)
    head = {
        "aspp_rates": [task.rate * times for times in RATES],
        "aspp_out_channels": width,
        "aspp_dropout": recipe.regularisation.classifier_dropout,
    }
    return {
        "dataset": {"name": "pascal", "category": "segmentation"},
        "image_augmentation": _changed_pictures(task, recipe),
        "loss": {
            "category": "segmentation",
            "segmentation": {
                "name": "cross_entropy",
                "cross_entropy": {"aux_weight": 0.4, "ignore_index": _UNLABELLED},
            },
        },
        "model": {
            "segmentation": {
                "name": "encoder_decoder",
                "n_classes": task.num_classes,
                "lr_multiplier": 1 if linear(subject.nearest) else 10,
                "seg_head": "deeplabv3",
                "output_stride": min(task.output_stride, _WHOLE_STRIDE),
                "use_aux_head": True,
                "activation": {"name": "relu"},
                "deeplabv3": head,
            }
        },
        "stats": {
            "val": ["loss", "iou"],
            "train": ["loss"],
            "checkpoint_metric": "iou",
            "checkpoint_metric_max": True,
        },
    }


def _changed_pictures(task: Segmentation, recipe: Recipe) -> dict[str, Any]:
    assert recipe.segmentation is not None
    side, scales, how = task.resolution_px, recipe.segmentation, recipe.images.interpolation
    sides = [round(side * scale) for scale in (scales.smallest_scale, scales.largest_scale)]
    return {
        "random_crop": {
            "enable": True,
            "seg_class_max_ratio": 0.75,
            "pad_if_needed": True,
            "mask_fill": _UNLABELLED,
        },
        "random_horizontal_flip": {"enable": True},
        "resize": {"enable": True, "size": [side, side], "interpolation": how},
        "random_short_size_resize": {
            "enable": True,
            "interpolation": how,
            "short_side_min": sides[0],
            "short_side_max": sides[1],
            "max_img_dim": 2 * side,
        },
        "photo_metric_distort": {"enable": True},
        "random_rotate": {"enable": True, "angle": 10, "mask_fill": _UNLABELLED},
        "random_gaussian_noise": {"enable": True},
    }


_SETTINGS: dict[str, Callable[[ExportModel, Any, Recipe], dict[str, dict[str, Any]]]] = {
    "detection": _detection,
    "segmentation": _segmentation,
}
KINDS = tuple(_SETTINGS)
"""Tasks that ml-cvnets has a model for."""
