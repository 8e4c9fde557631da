"""A recipe for a first try, not from a paper: a detector of generated shapes, a minute on a CPU.

An IoU of 0.4 is enough to match an anchor, since the maps of small images have few anchors.
"""

from __future__ import annotations

from dataclasses import replace

from mvt_nas.training.presets import RECIPES, RecipePreset
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.recipe_groups import (
    Augmentation,
    Batches,
    DetectionOptions,
    Images,
    Optimisation,
    Regularisation,
)


def recipe(model: str) -> Recipe:
    """Return the recipe, the same for all networks."""
    options = DetectionOptions(crop_probability=0.0, distortion_probability=0.0, match_iou=0.4)
    return replace(small_image_recipe(8, 0.002), detection=options)


def small_image_recipe(epochs: int, largest_learning_rate: float) -> Recipe:
    """Return a recipe for a network on whole images of 64 px, without values of its task."""
    return Recipe(
        images=Images(px=64, validation_resize_px=64),
        batches=Batches(images=16, images_per_device=16),
        augmentation=Augmentation(crop_smallest_share=1.0),
        optimisation=Optimisation(
            epochs=epochs,
            warmup_epochs=1.0,
            first_learning_rate=0.0002,
            largest_learning_rate=largest_learning_rate,
            last_learning_rate=0.0,
            weight_decay=0.05,
            clip_norm=10.0,
        ),
        regularisation=Regularisation(label_smoothing=0.0, ema_momentum=0.02),
    )


RECIPES.register("shapes_detection")(
    RecipePreset(
        name="shapes_detection",
        summary=("detection: 64 px and 8 epochs, for a first try: generated shapes in a minute"),
        source="this project",
        recipe=recipe,
        fixed_px=True,
        kind="detection",
    )
)
