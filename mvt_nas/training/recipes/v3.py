"""The recipes of MobileViTv3: v1's with smaller batches for XXS, XS and S, v2's for the others.

Source: arXiv 2209.15159, Section 4 (batches of 384 and 1020 images, else as v1 and v2) and the
release's configurations (images per device, the warm-up over 3000 and 20,000 iterations, weight
decay 0.05 at width 1.0).
"""

from __future__ import annotations

import dataclasses

from mvt_nas.training.presets import RECIPES, RecipePreset, as_epochs, family, nearest_published
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.recipes import v1, v2

_V1_BASED = {
    "mobilevitv3_xxs": "mobilevit_xxs",
    "mobilevitv3_xs": "mobilevit_xs",
    "mobilevitv3_s": "mobilevit_s",
}
_V2_BASED = ("mobilevitv3_050", "mobilevitv3_075", "mobilevitv3_100")


def recipe(model: str) -> Recipe:
    """Return the recipe for networks like a published model."""
    name = model.removesuffix("_l2")
    if name not in _V1_BASED and name not in _V2_BASED:
        name = nearest_published(model, _V2_BASED if family(model) == "v2" else _V1_BASED)
    return _small_batches(name) if name in _V1_BASED else _with_v2()


def _small_batches(name: str) -> Recipe:
    base = v1.recipe(_V1_BASED[name])
    per_device = 64 if name == "mobilevitv3_xxs" else 32
    batches = dataclasses.replace(base.batches, images=384, images_per_device=per_device)
    optimisation = dataclasses.replace(base.optimisation, warmup_epochs=as_epochs(3000, 384))
    return dataclasses.replace(base, batches=batches, optimisation=optimisation)


def _with_v2() -> Recipe:
    # All three widths have the same learning rates and weight decay.
    base = v2.recipe("mobilevitv2_200")
    batches = dataclasses.replace(base.batches, images=1020, images_per_device=85)
    optimisation = dataclasses.replace(base.optimisation, warmup_epochs=as_epochs(20_000, 1020))
    return dataclasses.replace(base, batches=batches, optimisation=optimisation)


RECIPES.register("v3")(
    RecipePreset(
        name="v3",
        summary=(
            "MobileViTv3: as v1 with batches of 384, or as v2 with batches of 1020, by the kind of"
            " network"
        ),
        source="arXiv 2209.15159, Section 4",
        recipe=recipe,
    )
)
