"""The built-in recipes, as functions of a published model; one file each in ``recipes``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mvt_nas.errors import TrainingError, listing
from mvt_nas.registry import Registry
from mvt_nas.space.published import published
from mvt_nas.training.recipe import Recipe

IMAGENET_IMAGES = 1_281_167
"""Number of training images of ImageNet-1k, to convert iterations to epochs."""


@dataclass(frozen=True, slots=True)
class RecipePreset:
    """A built-in recipe.

    Attributes:
        name: Name in the registry, which is also the name of the module.
        summary: Description in one line.
        source: Source of its values.
        recipe: Returns the recipe for a published model, at 256 px unless ``fixed_px``.
        fixed_px: Whether its images keep their size, whatever the network's own is.
        kind: Task of the recipe.
    """

    name: str
    summary: str
    source: str
    recipe: Callable[[str], Recipe]
    fixed_px: bool = False
    kind: str = "classification"


RECIPES: Registry[RecipePreset] = Registry("recipe", "mvt_nas.training.recipes")
"""The built-in recipes, by name."""


def preset(name: str, model: str, px: int) -> Recipe:
    """Return a built-in recipe for networks like a published model.

    Args:
        name: Name of the recipe.
        model: Name of the published model.
        px: Side of the network's input images.

    Raises:
        PluginError: there is no such recipe.
    """
    found = RECIPES.get(name)
    recipe = found.recipe(model)
    return recipe if found.fixed_px else recipe.at(px)


def family(model: str) -> str:
    """Return the name of the recipe of a published model: ``"v1"``, ``"v2"`` or ``"v3"``."""
    return next((name for name in ("v2", "v3") if model.startswith(f"mobilevit{name}")), "v1")


def default_recipe(kind: str, model: str) -> str:
    """Return the name of the default recipe for a task and networks like a published model."""
    return {"detection": "ssdlite", "segmentation": "deeplabv3"}.get(kind) or family(model)


def check_kind(name: str, kind: str) -> None:
    """Check that a recipe is for a task.

    Raises:
        TrainingError: it is for another one; the message names suitable recipes.
        PluginError: there is no such recipe.
    """
    found = RECIPES.get(name).kind
    if found != kind:
        fit = [other for other in RECIPES if RECIPES.get(other).kind == kind]
        raise TrainingError(
            f"recipe {name!r} is for {found}, not for {kind}; one of {listing(fit)}"
        )


def nearest_published(model: str, others: Iterable[str]) -> str:
    """Return the one of other published models with the most similar number of parameters."""
    return min(
        others,
        key=lambda other: abs(math.log(published(other).params_m / published(model).params_m)),
    )


def as_epochs(iterations: int, batch: int, dataset_images: int = IMAGENET_IMAGES) -> float:
    """Return a number of iterations on a dataset as epochs, to a tenth.

    Epochs suit datasets of any size.
    """
    return round(iterations * batch / dataset_images, 1)
