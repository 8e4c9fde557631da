"""Recipes that ship: one file each, a function of the published model whose recipe is wanted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mvt_nas.errors import TrainingError, listing
from mvt_nas.registry import Registry
from mvt_nas.space.published import published
from mvt_nas.training.recipe import Recipe

IMAGENET_IMAGES = 1_281_167
"""Training pictures of ImageNet-1k, by which iterations become epochs."""


@dataclass(frozen=True, slots=True)
class RecipePreset:
    """A recipe that ships.

    Attributes:
        name: in the registry, which is the name of the module too.
        summary: what it is, in one line.
        source: where its values come from.
        recipe: returns it for a published model, at 256 px unless it says otherwise.
        fixed_px: whether its pictures keep their size whatever the network's own is.
        kind: the task that it is for.
    """

    name: str
    summary: str
    source: str
    recipe: Callable[[str], Recipe]
    fixed_px: bool = False
    kind: str = "classification"


RECIPES: Registry[RecipePreset] = Registry("recipe", "mvt_nas.training.recipes")
"""Recipes that ship, by name."""


def preset(name: str, model: str, px: int) -> Recipe:
    """Return the recipe that ships under a name, for networks like a published model.

    Args:
        name: of the recipe.
        model: a published model.
        px: side of the pictures that the network is used with.

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
    """Return the name of the recipe for a task and networks like a published model, where none is asked for."""
    return {"detection": "ssdlite", "segmentation": "deeplabv3"}.get(kind) or family(model)


def check_kind(name: str, kind: str) -> None:
    """Refuse a recipe that is for another task.

    Raises:
        TrainingError: it is; the message names those that are not.
        PluginError: there is no such recipe.
    """
    found = RECIPES.get(name).kind
    if found != kind:
        fit = [other for other in RECIPES if RECIPES.get(other).kind == kind]
        raise TrainingError(
            f"recipe {name!r} is for {found}, not for {kind}; one of {listing(fit)}"
        )


def nearest_published(model: str, others: Iterable[str]) -> str:
    """Return that of other published models which is nearest to one in parameters."""
    return min(
        others,
        key=lambda other: abs(math.log(published(other).params_m / published(model).params_m)),
    )


def as_epochs(iterations: int, images: int, data_set: int = IMAGENET_IMAGES) -> float:
    """Return iterations, each of so many images, on a data set as epochs, to a tenth: so they fit data sets of any size."""
    return round(iterations * images / data_set, 1)
