"""The recipe of MobileViT's segmentation networks: DeepLabv3 at 512 px.

Source: arXiv 2110.02178, Section 4.2 and its appendix, and 2206.02680, Section 4.3, with the values
of the release's configurations (ml-cvnets). The warm-up lasts 500 iterations there, on VOC 2012
with the images of COCO that hold its classes, about 117,000 (10,582 and 106,000); 128 images per
step. The release of the first version gives the head ten times the learning rate; here, all weights
have the same.
"""

from __future__ import annotations

from mvt_nas.training.presets import RECIPES, RecipePreset, as_epochs
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.recipe_groups import (
    Augmentation,
    Batches,
    Images,
    Optimisation,
    Regularisation,
    SegmentationOptions,
)
from mvt_nas.training.recipes.ssdlite import decay, linear

VOC_AND_COCO_IMAGES = 117_000
"""Number of training images in the papers, to convert iterations to epochs."""

_BATCH = 128


def recipe(model: str) -> Recipe:
    """Return the recipe for networks like a published model.

    Linear attention has a smaller learning rate and a larger weight decay.
    """
    first, largest = (5e-5, 5e-4) if linear(model) else (9e-5, 9e-4)
    return Recipe(
        images=Images(px=512, validation_resize_px=512),
        batches=Batches(sampler="fixed", images=_BATCH, images_per_device=16),
        augmentation=Augmentation(crop_smallest_share=1.0),
        optimisation=Optimisation(
            epochs=50,
            warmup_epochs=as_epochs(500, _BATCH, VOC_AND_COCO_IMAGES),
            first_learning_rate=first,
            largest_learning_rate=largest,
            last_learning_rate=1e-6,
            weight_decay=decay(model),
        ),
        regularisation=Regularisation(
            label_smoothing=0.0, classifier_dropout=0.1, ema_momentum=0.0005
        ),
        segmentation=SegmentationOptions(smallest_scale=0.5, largest_scale=1.5),
    )


RECIPES.register("deeplabv3")(
    RecipePreset(
        name="deeplabv3",
        summary="segmentation: 512 px, short sides of 256 to 768 px, colour distortion, 50 epochs",
        source="arXiv 2110.02178, Section 4.2",
        recipe=recipe,
        fixed_px=True,
        kind="segmentation",
    )
)
