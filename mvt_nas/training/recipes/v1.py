"""The recipe of MobileViT: images of five sizes, little augmentation.

Source: arXiv 2110.02178, Section 4.1 (AdamW, 300 epochs, label smoothing 0.1, weight decay 0.01,
warm-up over 3000 iterations and the cosine between 0.0002 and 0.002, moving average) and Section
3.2 (sampler); batch of 8 x 128 at 256 px, sizes, dropout and validation at 288 and 256 px from the
configurations of the first release of ml-cvnets.
"""

from __future__ import annotations

from mvt_nas.training.presets import RECIPES, RecipePreset, as_epochs, nearest_published
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.recipe_groups import Batches, Optimisation, Regularisation

DROPOUT = {"mobilevit_xxs": 0.05, "mobilevit_xs": 0.1, "mobilevit_s": 0.1}
"""Dropout inside transformers, by model."""


def recipe(model: str) -> Recipe:
    """Return the recipe for networks like a published model."""
    known = model if model in DROPOUT else nearest_published(model, DROPOUT)
    return Recipe(
        batches=Batches(sampler="multi_scale", images=1024, images_per_device=128),
        optimisation=Optimisation(
            epochs=300,
            warmup_epochs=as_epochs(3000, 1024),
            first_learning_rate=0.0002,
            largest_learning_rate=0.002,
            last_learning_rate=0.0002,
            weight_decay=0.01,
            decay_norms_and_biases=True,
        ),
        regularisation=Regularisation(dropout=DROPOUT[known], classifier_dropout=0.1),
    )


RECIPES.register("v1")(
    RecipePreset(
        name="v1",
        summary="MobileViT: 160 to 320 px, batches by area, crops and flips, 300 epochs",
        source="arXiv 2110.02178, Section 4.1",
        recipe=recipe,
    )
)
