"""Recipes are those of the papers; errors in their files name the place and what is allowed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from mvt_nas._fields import specs
from mvt_nas.errors import PluginError, TrainingError
from mvt_nas.space.published import published_names, zoo
from mvt_nas.training.batch_sampler import sides
from mvt_nas.training.config import StartedTraining, TrainingConfig
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


def test_values_are_changed_by_group_and_field() -> None:
    changed = Recipe().changed(
        {"optimisation.weight_decay": 0.05, "batches.images": 64, "batches.images_per_device": 64}
    )
    assert (changed.optimisation.weight_decay, changed.batches.images) == (0.05, 64)
    assert (
        Recipe()
        .changed({"optimisation.first_learning_rate": "2e-4"})
        .optimisation.first_learning_rate
        == 2e-4
    )


MISTAKES: list[tuple[dict[str, Any], str]] = [
    (
        {"optimisation.epoch": 3},
        (
            r"^f.yaml: unknown field 'optimisation.epoch'; did you mean 'optimisation.epochs'\?"
            r" \(known: images.px, "
        ),
    ),
    (
        {"optimisation.epochs": 0},
        r"^f.yaml.optimisation.epochs = 0 is not allowed; an integer from 1 to 100000$",
    ),
    (
        {"optimisation.epochs": True},
        r"^f.yaml.optimisation.epochs = True is not allowed; an integer from 1 to 100000$",
    ),
    (
        {"optimisation.weight_decay": float("nan")},
        r"^f.yaml.optimisation.weight_decay = nan is not allowed; a number from 0 to 10$",
    ),
    (
        {"optimisation.clip_norm": None},
        (
            r"^f.yaml.optimisation.clip_norm = null is not allowed; without the line, the default"
            r" is taken$"
        ),
    ),
    (
        {"batches.sampler": "multiscale"},
        (
            r"sampler = 'multiscale' is not allowed; one of fixed, multi_scale; did you mean"
            r" 'multi_scale'\?$"
        ),
    ),
    (
        {"images.validation_resize_px": 200},
        r"^f.yaml.images.validation_resize_px = 200 is not allowed; at least images.px = 256$",
    ),
    (
        {"batches.sampler": "multi_scale", "batches.smallest_px": 288},
        r"batches.smallest_px = 288 is not allowed; at most images.px = 256$",
    ),
    (
        {"batches.sampler": "multi_scale", "batches.largest_px": 224},
        r"batches.largest_px = 224 is not allowed; at least images.px = 256$",
    ),
    (
        {"optimisation.warmup_epochs": 301},
        r"optimisation.warmup_epochs = 301 is not allowed; at most optimisation.epochs = 300$",
    ),
    (
        {"optimisation.last_learning_rate": 0.01},
        (
            r"optimisation.last_learning_rate = 0.01 is not allowed; at most largest_learning_rate"
            r" = 0.002$"
        ),
    ),
]


@pytest.mark.parametrize(("changes", "message"), MISTAKES)
def test_values_that_are_not_allowed_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        Recipe().changed(changes, "f.yaml")


def test_groups_that_are_none_are_refused() -> None:
    with pytest.raises(
        TrainingError,
        match=r"^r: a mapping of names to values is expected, not list \(known: images, batches",
    ):
        Recipe.from_dict([], "r")
    with pytest.raises(
        TrainingError, match=r"^r: unknown field 'optimization'; did you mean 'optimisation'\?"
    ):
        Recipe.from_dict({"optimization": {}}, "r")
    with pytest.raises(
        TrainingError, match=r"^r.images: a mapping of names to values is expected, not int"
    ):
        Recipe.from_dict({"images": 3}, "r")


def config(**changes: Any) -> TrainingConfig:
    recipe = preset("v2", "mobilevitv2_050", 256)
    values: dict[str, Any] = {
        "name": "x",
        "nearest": "mobilevitv2_050",
        "num_classes": 7,
        "weights": None,
        "recipe": recipe,
    }
    return TrainingConfig(**(values | {"architecture": zoo("mobilevitv2_050")} | changes))


def written(path: Path, value: TrainingConfig) -> Path:
    path.write_text(value.to_yaml(path), encoding="utf-8")
    return path


def test_configurations_survive_being_written_down(tmp_path: Path) -> None:
    training = StartedTraining(
        data="digits",
        validation_share=0.25,
        seed=3,
        threads=2,
        weights=None,
        warm_start="/a b",
        class_names=("ä", "no", "1"),
    )
    value = config(training=training, weights=tmp_path / "w.pt")
    found = TrainingConfig.load(written(tmp_path / "c.yaml", value))
    assert found == value
    assert found.architecture.key == zoo("mobilevitv2_050").key
    assert "weights: w.pt\n" in (tmp_path / "c.yaml").read_text()


def test_a_configuration_states_every_value(tmp_path: Path) -> None:
    data = yaml.safe_load(written(tmp_path / "c.yaml", config()).read_text())
    active = {
        group: {
            name for name, spec in specs(type(getattr(Recipe(), group))).items() if not spec.when
        }
        for group in data["recipe"]
    }
    assert {group: set(values) for group, values in data["recipe"].items()} == active
    assert set(active) == {field.name for field in dataclasses.fields(Recipe)} - {
        "detection",
        "segmentation",
    }


TORN: list[tuple[dict[str, Any], str]] = [
    ({"mvt_nas_trainer": 2}, r"c.yaml: mvt_nas_trainer = 2 is not known; this version reads 1$"),
    (
        {"receipt": {}},
        r"c.yaml: unknown key 'receipt'; did you mean 'recipe'\? \(known: mvt_nas_trainer, name",
    ),
    ({"recipe": None}, r"c.yaml: recipe is missing$"),
    (
        {"name": "a b"},
        r"c.yaml: name = 'a b' is not allowed; letters, digits and underscores, no digit first$",
    ),
    (
        {"nearest": "mobilevit_l"},
        r"c.yaml: nearest = 'mobilevit_l' is not allowed; one of .*; did you mean 'mobilevit_s'\?$",
    ),
    ({"num_classes": 0}, r"c.yaml: num_classes = 0 is not allowed; an integer from 1 to 1000000$"),
    (
        {"weights": 3},
        (
            r"c.yaml: weights = 3 is not allowed; null or the path of a checkpoint, from this"
            r" file's folder$"
        ),
    ),
    (
        {"recipe": {"images": {"px": "large"}}},
        r"c.yaml: recipe.images.px = 'large' is not allowed; an integer from 16 to 2048$",
    ),
    (
        {"recipe": {"images": {"px": 512}}},
        (
            r"c.yaml: recipe.images.validation_resize_px = 288 is not allowed; at least images.px ="
            r" 512$"
        ),
    ),
    (
        {"architecture": {"stem_width": 16, "stages": [{"width": -1}]}},
        r"c.yaml: architecture.stages\[0\].width = -1 is not allowed; an integer from 1 to 8192",
    ),
    (
        {"training": {"data": "x"}},
        r"c.yaml: training: damaged; a mapping with the keys data, validation_share, seed",
    ),
]


@pytest.mark.parametrize(("changes", "message"), TORN)
def test_configurations_with_mistakes_are_refused_with_file_and_key(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = written(tmp_path / "c.yaml", config())
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))
    with pytest.raises(TrainingError, match=message):
        TrainingConfig.load(path)


def test_other_files_are_no_configurations(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("name: x\n")
    with pytest.raises(
        TrainingError,
        match=(
            r"c.yaml: not a configuration of a training \(no key mvt_nas_trainer\); mvt-nas export"
            r" NETWORK"
        ),
    ):
        TrainingConfig.load(path)
    path.write_text("a: [")
    with pytest.raises(TrainingError, match=r"c.yaml: not valid YAML in line 2 "):
        TrainingConfig.load(path)
    with pytest.raises(
        TrainingError, match=r"none.yaml: cannot be read \(No such file or directory\)$"
    ):
        TrainingConfig.load(tmp_path / "none.yaml")
