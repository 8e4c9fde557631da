"""The YAML with which ml-cvnets trains a network, by the recipe of the nearest published model.

Detectors and segmenters are ml-cvnets' own, with the exported model as the encoder (see
``task_yaml.py``). The names of the settings are those of tag cvnets-v0.4.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from mvt_nas.export.base import ExportModel
from mvt_nas.export.cvnets.task_yaml import WARMUP_ITERATIONS, task_settings
from mvt_nas.export.paper_recipe import family_name, recipe_for, warmup_iterations
from mvt_nas.training.recipe import Recipe

ARCHITECTURE_KEY = "local_mvt_nas_architecture"
"""Setting with the architecture as JSON.

ml-cvnets ignores an unknown setting without a warning if its name contains ``local_``.
"""

TASK_KEY = "local_mvt_nas_task"
"""Setting with the task as JSON, if there is one."""

ENCODER_CLASSES = 1000
"""Outputs of the classifier of an encoder, which detectors and segmenters drop."""

_ROOTS = {
    None: "a folder of images per class",
    "detection": "the folder of COCO, with its images and annotations",
    "segmentation": "the folder VOCdevkit of Pascal VOC",
}
"""Data to set as ``root_train`` and ``root_val``, by task."""


def settings_file(model: ExportModel, name: str) -> str:
    """Return the text of the YAML.

    Args:
        model: The network.
        name: Name of the model in ml-cvnets.
    """
    text = yaml.safe_dump(settings(model, name), sort_keys=False, width=1_000_000)
    return "\n".join((*_comments(model, name), text))


def _comments(model: ExportModel, name: str) -> list[str]:
    """Return the comments at the top of the YAML."""
    kind = None if model.task is None else model.task.kind
    class_count = "the number of folders" if model.task is None else "the data set"
    return [
        (
            f"# How to train {name} in apple/ml-cvnets (tag cvnets-v0.4): the recipe of"
            f" {family_name(model)}, as for {model.nearest}."
        ),
        (
            f"# Set root_train and root_val: {_ROOTS[kind]}. The learning rates are for steps of"
            f" {recipe_for(model).batches.images} images over all devices."
        ),
        (
            f"# ml-cvnets takes n_classes from {class_count}."
            f" {ARCHITECTURE_KEY} is for `mvt-nas import` only."
        ),
    ]


def settings(model: ExportModel, name: str) -> dict[str, Any]:
    """Return the settings as nested dictionaries.

    Args:
        model: The network.
        name: Name of the model in ml-cvnets.
    """
    if model.task is not None:
        return _task_settings(model, name)
    recipe = recipe_for(model)
    return {
        "taskname": f"+ {name}",
        ARCHITECTURE_KEY: model.architecture.to_json(),
        "common": _common(recipe),
        "dataset": _dataset(recipe),
        "image_augmentation": _augmentation(recipe),
        "sampler": _sampler(recipe),
        "loss": {
            "category": "classification",
            "classification": {
                "name": "cross_entropy",
                "cross_entropy": {"label_smoothing": recipe.regularisation.label_smoothing},
            },
        },
        "optim": _optim(recipe),
        "scheduler": _scheduler(recipe),
        "model": _model(model, recipe, name),
        "ema": _ema(recipe),
        "stats": {
            "val": ["loss", "top1", "top5"],
            "train": ["loss"],
            "checkpoint_metric": "top1",
            "checkpoint_metric_max": True,
        },
    }


def _task_settings(model: ExportModel, name: str) -> dict[str, Any]:
    assert model.task is not None
    recipe = recipe_for(model)
    of_task = task_settings(model, recipe)
    # The heads are ml-cvnets' own, with batch norms over all devices and ReLU; the exported model
    # keeps SiLU, which is set for classification alone.
    encoder = _model(model, recipe, name) | {
        "normalization": {"name": "sync_batch_norm", "momentum": 0.1},
        "activation": {"name": "relu"},
    }
    encoder["classification"] |= {"n_classes": ENCODER_CLASSES}
    return {
        "taskname": f"+ {name}, {model.task.kind}",
        ARCHITECTURE_KEY: model.architecture.to_json(),
        TASK_KEY: json.dumps(model.task.to_dict()),
        "common": _common(recipe),
        **of_task,
        "dataset": _dataset(recipe) | of_task["dataset"],
        "sampler": _sampler(recipe),
        "optim": _optim(recipe),
        "scheduler": _scheduler(recipe) | {"warmup_iterations": WARMUP_ITERATIONS},
        "model": of_task["model"] | encoder,
        "ema": _ema(recipe),
    }


def _common(recipe: Recipe) -> dict[str, Any]:
    common: dict[str, Any] = {
        "run_label": "train",
        "log_freq": 500,
        "auto_resume": True,
        "mixed_precision": True,
    }
    if recipe.optimisation.clip_norm:
        common["grad_clip"] = recipe.optimisation.clip_norm
    return common


def _dataset(recipe: Recipe) -> dict[str, Any]:
    return {
        "root_train": "/path/to/train",
        "root_val": "/path/to/val",
        "name": "imagenet",
        "category": "classification",
        "train_batch_size0": recipe.batches.images_per_device,
        "val_batch_size0": 100,
        "eval_batch_size0": 100,
        "workers": 8,
        "persistent_workers": True,
        "pin_memory": True,
    }


def _augmentation(recipe: Recipe) -> dict[str, Any]:
    augmentation = recipe.augmentation
    images = recipe.images
    optional: dict[str, dict[str, Any]] = {
        "rand_augment": {"enable": augmentation.rand_augment_operations > 0},
        "random_erase": {
            "enable": augmentation.erase_probability > 0,
            "p": augmentation.erase_probability,
        },
        "mixup": {"enable": augmentation.mixup_alpha > 0, "alpha": augmentation.mixup_alpha},
        "cutmix": {"enable": augmentation.cutmix_alpha > 0, "alpha": augmentation.cutmix_alpha},
    }
    return {
        "random_resized_crop": {"enable": True, "interpolation": images.interpolation},
        "random_horizontal_flip": {"enable": True},
        **{name: values for name, values in optional.items() if values["enable"]},
        "resize": {
            "enable": True,
            "size": images.validation_resize_px,
            "interpolation": images.interpolation,
        },
        "center_crop": {"enable": True, "size": images.px},
    }


def _sampler(recipe: Recipe) -> dict[str, Any]:
    batches = recipe.batches
    crop = {"crop_size_width": recipe.images.px, "crop_size_height": recipe.images.px}
    if batches.sampler == "fixed":
        return {"name": "batch_sampler", "bs": crop}
    variable_batches = {
        **crop,
        "max_n_scales": batches.scales,
        "min_crop_size_width": batches.smallest_px,
        "max_crop_size_width": batches.largest_px,
        "min_crop_size_height": batches.smallest_px,
        "max_crop_size_height": batches.largest_px,
        "check_scale": batches.multiple_of_px,
    }
    return {"name": "variable_batch_sampler", "vbs": variable_batches}


def _optim(recipe: Recipe) -> dict[str, Any]:
    optimisation = recipe.optimisation
    return {
        "name": "adamw",
        "weight_decay": optimisation.weight_decay,
        "no_decay_bn_filter_bias": not optimisation.decay_norms_and_biases,
        "adamw": {"beta1": optimisation.beta1, "beta2": optimisation.beta2},
    }


def _scheduler(recipe: Recipe) -> dict[str, Any]:
    optimisation = recipe.optimisation
    return {
        "name": "cosine",
        "is_iteration_based": False,
        "max_epochs": optimisation.epochs,
        "warmup_iterations": warmup_iterations(recipe),
        "warmup_init_lr": optimisation.first_learning_rate,
        "cosine": {
            "max_lr": optimisation.largest_learning_rate,
            "min_lr": optimisation.last_learning_rate,
        },
    }


def _model(model: ExportModel, recipe: Recipe, name: str) -> dict[str, Any]:
    dropouts = {"dropout": recipe.regularisation.dropout, "ffn_dropout": 0.0, "attn_dropout": 0.0}
    attentions = {getattr(stage.block, "attention", None) for stage in model.architecture.stages}
    # The model file takes the dropouts of each block from the group of its kind of attention.
    dropout_groups = {}
    if "multi_head" in attentions:
        dropout_groups["mit"] = dict(dropouts)
    if "separable" in attentions:
        dropout_groups["mitv2"] = dict(dropouts)
    return {
        "classification": {
            "name": name,
            "n_classes": model.num_classes,
            "classifier_dropout": recipe.regularisation.classifier_dropout,
            **dropout_groups,
            "activation": {"name": "swish"},
        },
        "normalization": {"name": "batch_norm", "momentum": 0.1},
        "activation": {"name": "swish"},
        "layer": {
            "global_pool": "mean",
            "conv_init": "kaiming_normal",
            "linear_init": "trunc_normal",
            "linear_init_std_dev": 0.02,
        },
    }


def _ema(recipe: Recipe) -> dict[str, Any]:
    return {"enable": True, "momentum": recipe.regularisation.ema_momentum}
