"""The recipe of MobileViTv2: one size of images, strong augmentation, a learning rate by width.

Source: arXiv 2206.02680, Section 4.1 and its appendix on training; values by width (learning rate,
weight decay) and the warm-up over 20,000 iterations from the release's configurations (ml-cvnets
0.2). MixUp or CutMix: one of the two for every batch.
"""

from __future__ import annotations

from mvt_nas.training.presets import RECIPES, RecipePreset, as_epochs, nearest_published
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.recipe_groups import Augmentation, Batches, Images, Optimisation

BY_WIDTH = {
    "mobilevitv2_050": (0.0090, 0.004),
    "mobilevitv2_075": (0.0090, 0.008),
    "mobilevitv2_100": (0.0075, 0.013),
    "mobilevitv2_125": (0.0049, 0.020),
    "mobilevitv2_150": (0.0035, 0.029),
    "mobilevitv2_175": (0.0026, 0.039),
    "mobilevitv2_200": (0.0020, 0.050),
}
"""Largest learning rate and weight decay, by model; the last rate is a tenth of the largest."""

AUGMENTATION = Augmentation(
    rand_augment_operations=2,
    rand_augment_magnitude=9,
    erase_probability=0.25,
    mixup_alpha=0.2,
    cutmix_alpha=1.0,
)


def recipe(model: str) -> Recipe:
    """Return the recipe for networks like a published model."""
    rate, decay = BY_WIDTH[model if model in BY_WIDTH else nearest_published(model, BY_WIDTH)]
    return Recipe(
        images=Images(interpolation="bicubic"),
        batches=Batches(sampler="fixed", images=1024, images_per_device=128),
        augmentation=AUGMENTATION,
        optimisation=Optimisation(
            epochs=300,
            warmup_epochs=as_epochs(20_000, 1024),
            first_learning_rate=1e-6,
            largest_learning_rate=rate,
            last_learning_rate=rate / 10,
            weight_decay=decay,
            decay_norms_and_biases=False,
            clip_norm=10.0,
        ),
    )


RECIPES.register("v2")(
    RecipePreset(
        name="v2",
        summary="MobileViTv2: 256 px, RandAugment, erasing, MixUp or CutMix, 300 epochs",
        source="arXiv 2206.02680, Section 4.1",
        recipe=recipe,
    )
)
