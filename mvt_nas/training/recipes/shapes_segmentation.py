"""A recipe for a first try, not from a paper: segmentation of generated shapes in a minute."""

from __future__ import annotations

from mvt_nas.training.presets import RECIPES, RecipePreset
from mvt_nas.training.recipe import (
    Augmentation,
    Batches,
    Images,
    Optimisation,
    Recipe,
    Regularisation,
    SegmentationOptions,
)


def recipe(model: str) -> Recipe:
    """Return the recipe, the same for all networks."""
    return Recipe(
        images=Images(px=64, validation_resize_px=64),
        batches=Batches(images=16, images_per_device=16),
        augmentation=Augmentation(crop_smallest_share=1.0),
        optimisation=Optimisation(
            epochs=5,
            warmup_epochs=1.0,
            first_learning_rate=0.0002,
            largest_learning_rate=0.003,
            last_learning_rate=0.0,
            weight_decay=0.05,
            clip_norm=10.0,
        ),
        regularisation=Regularisation(label_smoothing=0.0, ema_momentum=0.02),
        segmentation=SegmentationOptions(
            smallest_scale=0.8, largest_scale=1.25, distortion_probability=0.0
        ),
    )


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
