"""Recipes are those of the papers, and fit every model."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from mvt_nas._fields import specs
from mvt_nas.errors import PluginError
from mvt_nas.space.published import published_names
from mvt_nas.training.batch_sampler import sides
from mvt_nas.training.presets import RECIPES, family, preset
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.recipe_groups import Batches, Images, Optimisation

# As stated in the papers and their releases: sampler, batch, warm-up in iterations on ImageNet,
# rates, decay and whether norms have it, clipping, dropout inside and before the classifier,
# interpolation, mixing.
STATED: dict[str, tuple[Any, ...]] = {
    "mobilevit_xxs": (
        "multi_scale",
        1024,
        3000,
        2e-4,
        2e-3,
        2e-4,
        0.01,
        True,
        0,
        0.05,
        0.1,
        "bilinear",
        0.0,
    ),
    "mobilevit_s": (
        "multi_scale",
        1024,
        3000,
        2e-4,
        2e-3,
        2e-4,
        0.01,
        True,
        0,
        0.1,
        0.1,
        "bilinear",
        0.0,
    ),
    "mobilevitv2_050": (
        "fixed",
        1024,
        20000,
        1e-6,
        9e-3,
        9e-4,
        0.004,
        False,
        10,
        0,
        0,
        "bicubic",
        0.2,
    ),
    "mobilevitv2_100": (
        "fixed",
        1024,
        20000,
        1e-6,
        7.5e-3,
        7.5e-4,
        0.013,
        False,
        10,
        0,
        0,
        "bicubic",
        0.2,
    ),
    "mobilevitv2_200": (
        "fixed",
        1024,
        20000,
        1e-6,
        2e-3,
        2e-4,
        0.05,
        False,
        10,
        0,
        0,
        "bicubic",
        0.2,
    ),
    "mobilevitv3_xxs": (
        "multi_scale",
        384,
        3000,
        2e-4,
        2e-3,
        2e-4,
        0.01,
        True,
        0,
        0.05,
        0.1,
        "bilinear",
        0.0,
    ),
    "mobilevitv3_s_l2": (
        "multi_scale",
        384,
        3000,
        2e-4,
        2e-3,
        2e-4,
        0.01,
        True,
        0,
        0.1,
        0.1,
        "bilinear",
        0.0,
    ),
    "mobilevitv3_100": (
        "fixed",
        1020,
        20000,
        1e-6,
        2e-3,
        2e-4,
        0.05,
        False,
        10,
        0,
        0,
        "bicubic",
        0.2,
    ),
}


@pytest.mark.parametrize("model", STATED)
def test_recipes_are_those_of_the_papers(model: str) -> None:
    recipe = preset(family(model), model, 256)
    (
        sampler,
        batch,
        iterations,
        first,
        largest,
        last,
        decay,
        norms,
        clip,
        dropout,
        head,
        interpolation,
        mixup,
    ) = STATED[model]
    steps, how = recipe.optimisation, recipe.regularisation
    assert (recipe.batches.sampler, recipe.batches.images, recipe.images.interpolation) == (
        sampler,
        batch,
        interpolation,
    )
    assert steps.warmup_epochs == pytest.approx(iterations / (1_281_167 / batch), abs=0.05)
    found = (
        steps.first_learning_rate,
        steps.largest_learning_rate,
        steps.last_learning_rate,
        steps.weight_decay,
    )
    assert found == pytest.approx((first, largest, last, decay))
    assert (steps.decay_norms_and_biases, steps.clip_norm, how.dropout, how.classifier_dropout) == (
        norms,
        clip,
        dropout,
        head,
    )
    assert (steps.epochs, steps.beta1, steps.beta2, how.label_smoothing, how.ema_momentum) == (
        300,
        0.9,
        0.999,
        0.1,
        0.0005,
    )
    assert (recipe.images.px, recipe.images.validation_resize_px) == (256, 288)
    strong = recipe.augmentation
    assert (strong.mixup_alpha, strong.cutmix_alpha > 0, strong.erase_probability > 0) == (
        mixup,
        mixup > 0,
        mixup > 0,
    )
    assert (strong.crop_smallest_share, strong.flip_probability) == (0.08, 0.5)


@pytest.mark.parametrize("name", sorted(RECIPES))
@pytest.mark.parametrize("model", published_names())
def test_every_recipe_fits_every_model_and_survives_being_written_down(
    name: str, model: str
) -> None:
    recipe = preset(name, model, 256)
    assert Recipe.from_dict(yaml.safe_load(yaml.safe_dump(recipe.to_dict()))) == recipe
    assert Recipe.from_dict(recipe.to_dict()).key == recipe.key
    assert all(
        spec.doc for group in (Images, Batches, Optimisation) for spec in specs(group).values()
    )


def test_an_unknown_recipe_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        PluginError,
        match=(
            r"^unknown recipe 'v4'.*\(known: deeplabv3, digits, shapes_detection,"
            r" shapes_segmentation, ssdlite, v1, v2, v3\)$"
        ),
    ):
        preset("v4", "mobilevit_s", 256)


def test_families() -> None:
    found = {
        model: family(model)
        for model in ("mobilevit_xs", "mobilevitv2_075", "mobilevitv3_s_l2", "mobilevitv3_050")
    }
    assert found == {
        "mobilevit_xs": "v1",
        "mobilevitv2_075": "v2",
        "mobilevitv3_s_l2": "v3",
        "mobilevitv3_050": "v3",
    }


@pytest.mark.parametrize(
    ("px", "resize", "expected"),
    [
        (256, 288, (160, 192, 256, 288, 320)),
        (192, 216, (128, 160, 192, 224, 256)),
        (32, 36, (20, 24, 32, 36, 40)),
    ],
)
def test_a_recipe_for_other_pictures_has_all_sizes_in_proportion(
    px: int, resize: int, expected: tuple[int, ...]
) -> None:
    recipe = preset("v1", "mobilevit_s", px)
    assert (recipe.images.px, recipe.images.validation_resize_px) == (px, resize)
    assert sides(recipe.batches, px) == expected


def test_the_recipe_for_a_first_try_keeps_its_size() -> None:
    assert preset("digits", "mobilevit_s", 256).images.px == 48


def test_another_number_of_epochs_takes_the_warm_up_along() -> None:
    recipe = preset("v2", "mobilevitv2_100", 256)
    assert recipe.optimisation.warmup_epochs == pytest.approx(16.0)
    assert recipe.lasting(30).optimisation.warmup_epochs == pytest.approx(1.6)
    assert recipe.lasting(30).optimisation.epochs == 30
    assert recipe.key != recipe.lasting(30).key
