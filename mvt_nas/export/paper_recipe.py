"""The recipe for training an exported network: that of the most similar published model."""

from __future__ import annotations

from mvt_nas.export.base import ExportModel
from mvt_nas.training.presets import IMAGENET_IMAGES, default_recipe, family, preset
from mvt_nas.training.recipe import Recipe

_FAMILY_NAMES = {"v1": "MobileViT", "v2": "MobileViTv2", "v3": "MobileViTv3"}


def recipe_for(model: ExportModel) -> Recipe:
    """Return the recipe of the nearest published model, or of the task, at our resolution."""
    if model.task is None:
        return preset(family(model.nearest), model.nearest, model.resolution_px)
    name = default_recipe(model.task.kind, model.nearest)
    return preset(name, model.nearest, model.resolution_px).at(model.resolution_px)


def family_name(model: ExportModel) -> str:
    """Return the published name of the family that the recipe is from, such as ``MobileViTv2``."""
    return _FAMILY_NAMES[family(model.nearest)]


def warmup_iterations(recipe: Recipe) -> int:
    """Return the warm-up on ImageNet-1k in steps, rounded to hundreds as the authors give it."""
    steps = recipe.optimisation.warmup_epochs * IMAGENET_IMAGES / recipe.batches.images
    return round(steps / 100) * 100


def device_count(recipe: Recipe) -> int:
    """Return the number of devices that share the batch of one step."""
    return max(1, round(recipe.batches.images / recipe.batches.images_per_device))
