"""A recipe for a first try, not from a paper: segmentation of generated shapes in a minute."""

from __future__ import annotations

from dataclasses import replace

from mvt_nas.training.presets import RECIPES, RecipePreset
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.recipe_groups import SegmentationOptions
from mvt_nas.training.recipes.shapes_detection import small_image_recipe


def recipe(model: str) -> Recipe:
    """Return the recipe, the same for all networks."""
    options = SegmentationOptions(
        smallest_scale=0.8, largest_scale=1.25, distortion_probability=0.0
    )
    return replace(small_image_recipe(5, 0.003), segmentation=options)


RECIPES.register("shapes_segmentation")(
    RecipePreset(
        name="shapes_segmentation",
        summary=("segmentation: 64 px and 5 epochs, for a first try: generated shapes in a minute"),
        source="this project",
        recipe=recipe,
        fixed_px=True,
        kind="segmentation",
    )
)
