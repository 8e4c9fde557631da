"""Settings for ml-cvnets: their names, and how they are written and read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mvt_nas.export.base import TARGETS
from tests.support.export_networks import BLOCKS, architecture_with, random_export_model

# Names of options in ml-cvnets' tag cvnets-v0.4, of those that exported settings give.
_NAMES = """
taskname common.run_label common.log_freq common.auto_resume common.mixed_precision
common.grad_clip dataset.root_train dataset.root_val dataset.name dataset.category
dataset.train_batch_size0 dataset.val_batch_size0 dataset.eval_batch_size0 dataset.workers
dataset.persistent_workers dataset.pin_memory image_augmentation.random_resized_crop.enable
image_augmentation.random_resized_crop.interpolation
image_augmentation.random_horizontal_flip.enable image_augmentation.rand_augment.enable
image_augmentation.random_erase.enable image_augmentation.random_erase.p
image_augmentation.mixup.enable image_augmentation.mixup.alpha image_augmentation.cutmix.enable
image_augmentation.cutmix.alpha image_augmentation.resize.enable image_augmentation.resize.size
image_augmentation.resize.interpolation image_augmentation.center_crop.enable
image_augmentation.center_crop.size sampler.name sampler.bs.crop_size_width
sampler.bs.crop_size_height sampler.vbs.crop_size_width sampler.vbs.crop_size_height
sampler.vbs.max_n_scales sampler.vbs.min_crop_size_width sampler.vbs.max_crop_size_width
sampler.vbs.min_crop_size_height sampler.vbs.max_crop_size_height sampler.vbs.check_scale
loss.category loss.classification.name loss.classification.cross_entropy.label_smoothing
optim.name optim.weight_decay optim.no_decay_bn_filter_bias optim.adamw.beta1 optim.adamw.beta2
scheduler.name scheduler.is_iteration_based scheduler.max_epochs scheduler.warmup_iterations
scheduler.warmup_init_lr scheduler.cosine.max_lr scheduler.cosine.min_lr model.classification.name
model.classification.n_classes model.classification.classifier_dropout
model.classification.mit.dropout model.classification.mit.ffn_dropout
model.classification.mit.attn_dropout model.classification.mitv2.dropout
model.classification.mitv2.ffn_dropout model.classification.mitv2.attn_dropout
model.classification.activation.name model.normalization.name model.normalization.momentum
model.activation.name model.layer.global_pool model.layer.conv_init model.layer.linear_init
model.layer.linear_init_std_dev ema.enable ema.momentum stats.val stats.train
stats.checkpoint_metric stats.checkpoint_metric_max
"""
OPTIONS = set(_NAMES.split())


def write(nearest: str, folder: Path) -> str:
    """Export into a folder as where ml-cvnets is missing, and return the model's name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mvt_nas.export.targets.cvnets.installed", lambda name: False)
        TARGETS.get("cvnets").write(
            random_export_model(architecture_with(BLOCKS["v1"]), nearest=nearest), folder
        )
    return "mvt_found_7"


def flat(data: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in data.items():
        found |= (
            flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
        )
    return found
