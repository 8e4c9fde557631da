"""A recipe for a first try and for tests, not from a paper: a minute on a CPU.

Images and batches are small, epochs few. Digits are not flipped, and cropped little, to stay
readable.
"""

from __future__ import annotations

from mvt_nas.training.presets import RECIPES, RecipePreset
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.recipe_groups import (
    Augmentation,
    Batches,
    Images,
    Optimisation,
    Regularisation,
)


def recipe(model: str) -> Recipe:
    """Return the recipe, the same for all networks."""
    return Recipe(
        images=Images(px=48, validation_resize_px=48),
        batches=Batches(
            sampler="multi_scale",
            images=64,
            images_per_device=64,
            smallest_px=32,
            largest_px=64,
            scales=3,
            multiple_of_px=16,
        ),
        augmentation=Augmentation(crop_smallest_share=0.7, flip_probability=0.0),
        optimisation=Optimisation(
            epochs=16,
            warmup_epochs=1.0,
            first_learning_rate=0.0002,
            largest_learning_rate=0.004,
            last_learning_rate=0.0,
            weight_decay=0.05,
            clip_norm=1.0,
        ),
        regularisation=Regularisation(ema_momentum=0.02),
    )


RECIPES.register("digits")(
    RecipePreset(
        name="digits",
        summary="48 px and 16 epochs, for a first try: the embedded digits in a minute",
        source="this project",
        recipe=recipe,
        fixed_px=True,
    )
)
