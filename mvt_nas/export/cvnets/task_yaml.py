"""Settings of ml-cvnets for detection and segmentation: SSDLite and DeepLabv3 with our encoder.

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
"""Steps of the warm-up, for both tasks."""

# Ratios of the image's side to those of SSD's feature maps; -1 is global pooling.
_SSD_STRIDES = [16, 32, 64, 128, 256, -1]
# Label of pixels without a class in masks.
_IGNORE_INDEX = 255
# Output stride of an encoder without dilation.
_FULL_STRIDE = 32

TaskSettings = dict[str, dict[str, Any]]
"""Groups of settings."""


def task_settings(model: ExportModel, recipe: Recipe) -> TaskSettings:
    """Return the groups of settings that depend on the task; ``model`` without its encoder."""
    assert model.task is not None
    return _SETTINGS[model.task.kind](model, model.task, recipe)


def _detection(model: ExportModel, task: Detection, recipe: Recipe) -> TaskSettings:
    assert recipe.detection is not None
    values = recipe.detection
    return {
        "dataset": {"name": "coco_ssd", "category": "detection"},
        "image_augmentation": {
            "resize": {
                "enable": True,
                "size": [task.resolution_px, task.resolution_px],
                "interpolation": recipe.images.interpolation,
            }
        },
        "loss": {
            "category": "detection",
            "detection": {
                "name": "ssd_multibox_loss",
                "ssd_multibox_loss": {"neg_pos_ratio": values.negatives_per_positive},
            },
        },
        "anchor_generator": {
            "name": "ssd",
            "ssd": {
                "output_strides": _SSD_STRIDES,
                "aspect_ratios": [list(ratios) for ratios in RATIOS],
                "min_scale_ratio": SMALLEST,
                "max_scale_ratio": LARGEST,
            },
        },
        "matcher": {
            "name": "ssd",
            "ssd": {
                "center_variance": CENTRE_VARIANCE,
                "size_variance": SIZE_VARIANCE,
                "iou_threshold": values.match_iou,
            },
        },
        "model": {
            "detection": {
                "name": "ssd",
                "n_classes": task.num_classes + 1,  # the background is a class
                "ssd": {
                    "proj_channels": [*PROJECTED, *SMALLER, POOLED],
                    "nms_iou_threshold": values.nms_iou,
                },
            }
        },
        "stats": {
            "val": ["loss", "coco_map"],
            "train": ["loss"],
            "checkpoint_metric": "coco_map.bbox",
            "checkpoint_metric_max": True,
        },
    }


def _segmentation(model: ExportModel, task: Segmentation, recipe: Recipe) -> TaskSettings:
    return {
        "dataset": {"name": "pascal", "category": "segmentation"},
        "image_augmentation": _segmentation_augmentation(task, recipe),
        "loss": {
            "category": "segmentation",
            "segmentation": {
                "name": "cross_entropy",
                "cross_entropy": {"aux_weight": 0.4, "ignore_index": _IGNORE_INDEX},
            },
        },
        "model": {
            "segmentation": {
                "name": "encoder_decoder",
                "n_classes": task.num_classes,
                "lr_multiplier": 1 if linear(model.nearest) else 10,
                "seg_head": "deeplabv3",
                "output_stride": min(task.output_stride, _FULL_STRIDE),
                "use_aux_head": True,
                "activation": {"name": "relu"},
                "deeplabv3": {
                    "aspp_rates": [task.rate * factor for factor in RATES],
                    "aspp_out_channels": getattr(
                        fitted(task, model.architecture), "pyramid_width", 0
                    ),
                    "aspp_dropout": recipe.regularisation.classifier_dropout,
                },
            }
        },
        "stats": {
            "val": ["loss", "iou"],
            "train": ["loss"],
            "checkpoint_metric": "iou",
            "checkpoint_metric_max": True,
        },
    }


def _segmentation_augmentation(task: Segmentation, recipe: Recipe) -> dict[str, Any]:
    assert recipe.segmentation is not None
    side = task.resolution_px
    scales = recipe.segmentation
    interpolation = recipe.images.interpolation
    return {
        "random_crop": {
            "enable": True,
            "seg_class_max_ratio": 0.75,
            "pad_if_needed": True,
            "mask_fill": _IGNORE_INDEX,
        },
        "random_horizontal_flip": {"enable": True},
        "resize": {"enable": True, "size": [side, side], "interpolation": interpolation},
        "random_short_size_resize": {
            "enable": True,
            "interpolation": interpolation,
            "short_side_min": round(side * scales.smallest_scale),
            "short_side_max": round(side * scales.largest_scale),
            "max_img_dim": 2 * side,
        },
        "photo_metric_distort": {"enable": True},
        "random_rotate": {"enable": True, "angle": 10, "mask_fill": _IGNORE_INDEX},
        "random_gaussian_noise": {"enable": True},
    }


_SETTINGS: dict[str, Callable[[ExportModel, Any, Recipe], TaskSettings]] = {
    "detection": _detection,
    "segmentation": _segmentation,
}
TASK_KINDS = tuple(_SETTINGS)
"""Tasks for which ml-cvnets has a model."""
