"""The recipe of MobileViT's detectors: SSDLite at 320 px.

Source: arXiv 2110.02178, Section 4.2 and its appendix, and 2206.02680, Section 4.3, with the values
of the release's configurations (ml-cvnets). The warm-up lasts 500 iterations there, on the
117,266 images of COCO's train2017 that have objects; 128 images per step.
"""

from __future__ import annotations

from mvt_nas.training.presets import RECIPES, RecipePreset, as_epochs, family
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.recipe_groups import (
    Augmentation,
    Batches,
    DetectionOptions,
    Images,
    Optimisation,
    Regularisation,
)

COCO_IMAGES = 117_266
"""Number of images of train2017 with objects, to convert iterations to epochs."""

_BATCH = 128


def recipe(model: str) -> Recipe:
    """Return the recipe for networks like a published model.

    Linear attention has a larger weight decay.
    """
    return Recipe(
        images=Images(px=320, validation_resize_px=320),
        batches=Batches(sampler="fixed", images=_BATCH, images_per_device=32),
        augmentation=Augmentation(crop_smallest_share=1.0),
        optimisation=Optimisation(
            epochs=200,
            warmup_epochs=as_epochs(500, _BATCH, COCO_IMAGES),
            first_learning_rate=9e-5,
            largest_learning_rate=9e-4,
            last_learning_rate=1e-6,
            weight_decay=decay(model),
        ),
        regularisation=Regularisation(label_smoothing=0.0, ema_momentum=0.0005),
        detection=DetectionOptions(),
    )


def decay(model: str) -> float:
    """Return the weight decay of networks like a published model."""
    return 0.05 if linear(model) else 0.01


def linear(model: str) -> bool:
    """Return True if a published model is MobileViTv2, or a v3 that is based on it."""
    return family(model) == "v2" or model in (
        "mobilevitv3_050",
        "mobilevitv3_075",
        "mobilevitv3_100",
    )


RECIPES.register("ssdlite")(
    RecipePreset(
        name="ssdlite",
        summary="detection: 320 px, crops that hold an object, colour distortion, 200 epochs",
        source="arXiv 2110.02178, Section 4.2",
        recipe=recipe,
        fixed_px=True,
        kind="detection",
    )
)
