"""The YAML that ml-cvnets trains a network by: the recipe of the published model that it is most like, at the network's resolution.

Detectors and segmenters are ml-cvnets' own around the exported model (see ``task_settings.py``).

Names of the settings are those of tag cvnets-v0.4.
"""

from __future__ import annotations

import json
from typing import Any

from mvt_nas.export.base import ExportModel
from mvt_nas.export.cvnets.task_yaml import WARMUP_ITERATIONS, task_settings
from mvt_nas.export.paper_recipe import paper_of, recipe_for, warmup_iterations
from mvt_nas.training.recipe import Recipe

ARCHITECTURE_KEY = "local_mvt_nas_architecture"
"""Where the YAML holds the architecture; ml-cvnets passes over unknown names without a warning if
they contain ``local_``."""

TASK_KEY = "local_mvt_nas_task"
"""Where the YAML holds the task, if there is one, as JSON."""


ENCODER_CLASSES = 1000
"""Outputs of the classifier that detectors and segmenters take the backbone of; they drop it."""

_ROOTS = {
    None: "a folder of images per class",
    "detection": "the folder of COCO, with its images and annotations",
    "segmentation": "the folder VOCdevkit of Pascal VOC",
}


def settings_file(subject: ExportModel, name: str) -> str:
    """Return the text of the YAML; ``name`` is that of the model in ml-cvnets."""
    import yaml

    text = yaml.safe_dump(settings(subject, name), sort_keys=False, width=1_000_000)
    return "\n".join((*_head(subject, name), text))


def _head(subject: ExportModel, name: str) -> list[str]:
    return [
        (
            f"# How to train {name} in apple/ml-cvnets (tag cvnets-v0.4): the recipe of"
            f" {paper_of(subject)}, as for {subject.nearest}."
        ),
        (
            "# Set root_train and root_val:"
            f" {_ROOTS[None if subject.task is None else subject.task.kind]}. The learning rates"
            f" are for steps of {recipe_for(subject).batches.images} images over all devices."
        ),
        (
            "# ml-cvnets takes n_classes from"
            f" {'the number of folders' if subject.task is None else 'the data set'}."
            f" {ARCHITECTURE_KEY} is for `mvt-nas import` only."
        ),
    ]


def settings(subject: ExportModel, name: str) -> dict[str, Any]:
    """Return the settings as nested data."""
    if subject.task is not None:
        return _of_task(subject, name)
    recipe = recipe_for(subject)
    smoothing, momentum = recipe.regularisation.label_smoothing, recipe.regularisation.ema_momentum
    return {
        "taskname": f"+ {name}",
        ARCHITECTURE_KEY: subject.architecture.to_json(),
        "common": _common(recipe),
        "dataset": _dataset(recipe),
        "image_augmentation": _augmentation(recipe),
        "sampler": _sampler(recipe),
        "loss": {
            "category": "classification",
            "classification": {
                "name": "cross_entropy",
                "cross_entropy": {"label_smoothing": smoothing},
            },
        },
        "optim": _optim(recipe),
        "scheduler": _scheduler(recipe),
        "model": _model(subject, recipe, name),
        "ema": {"enable": True, "momentum": momentum},
        "stats": {
            "val": ["loss", "top1", "top5"],
            "train": ["loss"],
            "checkpoint_metric": "top1",
            "checkpoint_metric_max": True,
        },
    }


def _of_task(subject: ExportModel, name: str) -> dict[str, Any]:
    assert subject.task is not None
    recipe = recipe_for(subject)
    own = task_settings(subject, recipe)
    encoder = _model(subject, recipe, name) | {
        "normalization": {"name": "sync_batch_norm", "momentum": 0.1},
        "activation": {"name": "relu"},
    }
    encoder["classification"] |= {"n_classes": ENCODER_CLASSES}
    return {
        "taskname": f"+ {name}, {subject.task.kind}",
        ARCHITECTURE_KEY: subject.architecture.to_json(),
        TASK_KEY: json.dumps(subject.task.to_dict()),
        "common": _common(recipe),
        **own,
        "dataset": _dataset(recipe) | own["dataset"],
        "sampler": _sampler(recipe),
        "optim": _optim(recipe),
        "scheduler": _scheduler(recipe) | {"warmup_iterations": WARMUP_ITERATIONS},
        "model": own["model"] | encoder,
        "ema": {"enable": True, "momentum": recipe.regularisation.ema_momentum},
    }


def _common(recipe: Recipe) -> dict[str, Any]:
    common: dict[str, Any] = {
        "run_label": "train",
        "log_freq": 500,
        "auto_resume": True,
        "mixed_precision": True,
    }
    return common | (
        {"grad_clip": recipe.optimisation.clip_norm} if recipe.optimisation.clip_norm else {}
    )


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
    given, images = recipe.augmentation, recipe.images
    optional: dict[str, dict[str, Any]] = {
        "rand_augment": {"enable": given.rand_augment_operations > 0},
        "random_erase": {"enable": given.erase_probability > 0, "p": given.erase_probability},
        "mixup": {"enable": given.mixup_alpha > 0, "alpha": given.mixup_alpha},
        "cutmix": {"enable": given.cutmix_alpha > 0, "alpha": given.cutmix_alpha},
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
    crop, batches = (
        {"crop_size_width": recipe.images.px, "crop_size_height": recipe.images.px},
        recipe.batches,
    )
    if batches.sampler == "fixed":
        return {"name": "batch_sampler", "bs": crop}
    ends = (("min", batches.smallest_px), ("max", batches.largest_px))
    sides = {f"{end}_crop_size_{axis}": side for axis in ("width", "height") for end, side in ends}
    varied = {
        **crop,
        "max_n_scales": batches.scales,
        **sides,
        "check_scale": batches.multiple_of_px,
    }
    return {"name": "variable_batch_sampler", "vbs": varied}


def _optim(recipe: Recipe) -> dict[str, Any]:
    given = recipe.optimisation
    return {
        "name": "adamw",
        "weight_decay": given.weight_decay,
        "no_decay_bn_filter_bias": not given.decay_norms_and_biases,
        "adamw": {"beta1": given.beta1, "beta2": given.beta2},
    }


def _scheduler(recipe: Recipe) -> dict[str, Any]:
    given = recipe.optimisation
    return {
        "name": "cosine",
        "is_iteration_based": False,
        "max_epochs": given.epochs,
        "warmup_iterations": warmup_iterations(recipe),
        "warmup_init_lr": given.first_learning_rate,
        "cosine": {"max_lr": given.largest_learning_rate, "min_lr": given.last_learning_rate},
    }


def _model(subject: ExportModel, recipe: Recipe, name: str) -> dict[str, Any]:
    dropouts = {"dropout": recipe.regularisation.dropout, "ffn_dropout": 0.0, "attn_dropout": 0.0}
    attentions = {getattr(stage.block, "attention", None) for stage in subject.architecture.stages}
    prefixes = [
        prefix
        for prefix, attention in (("mit", "multi_head"), ("mitv2", "separable"))
        if attention in attentions
    ]
    return {
        "classification": {
            "name": name,
            "n_classes": subject.num_classes,
            "classifier_dropout": recipe.regularisation.classifier_dropout,
            **{prefix: dict(dropouts) for prefix in prefixes},
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
