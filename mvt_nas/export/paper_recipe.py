"""The recipe by which a network is trained elsewhere: that of the published model that it is most like, at its own resolution."""

from __future__ import annotations

from mvt_nas.export.base import ExportModel
from mvt_nas.training.presets import IMAGENET_IMAGES, default_recipe, family, preset
from mvt_nas.training.recipe import Recipe

_PAPERS = {"v1": "MobileViT", "v2": "MobileViTv2", "v3": "MobileViTv3"}


def recipe_for(subject: ExportModel) -> Recipe:
    """Return the recipe of the nearest published model, or that of the task, for pictures of the network's resolution."""
    if subject.task is None:
        return preset(family(subject.nearest), subject.nearest, subject.resolution_px)
    found = preset(
        default_recipe(subject.task.kind, subject.nearest), subject.nearest, subject.resolution_px
    )
    return found.at(subject.resolution_px)


def paper_of(subject: ExportModel) -> str:
    """Return what the models of that recipe are called, such as ``MobileViTv2``."""
    return _PAPERS[family(subject.nearest)]


def warmup_iterations(recipe: Recipe) -> int:
    """Return the steps of the warm-up on ImageNet-1k, to a hundred, as the authors give them."""
    return (
        round(recipe.optimisation.warmup_epochs * IMAGENET_IMAGES / recipe.batches.images / 100)
        * 100
    )


def devices(recipe: Recipe) -> int:
    """Return how many devices take a step's pictures at once."""
    return max(1, round(recipe.batches.images / recipe.batches.images_per_device))
