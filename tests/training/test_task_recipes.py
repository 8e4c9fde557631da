"""Recipes and configurations of detection and segmentation are the papers' and fit the task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mvt_nas.errors import TrainingError
from mvt_nas.training.config import TrainingConfig
from mvt_nas.training.presets import RECIPES as PRESETS
from mvt_nas.training.presets import check_kind, default_recipe, preset
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.recipe_groups import DetectionOptions, SegmentationOptions
from tests.support.annotated_training_processes import RECIPES, TINY, task_job


def test_recipes_and_tasks_have_to_agree() -> None:
    with pytest.raises(
        TrainingError, match=r"^the recipe is for detection, the task is segmentation$"
    ):
        task_job("segmentation", recipe=RECIPES["detection"])
    with pytest.raises(
        TrainingError, match=r"^the recipe is for classification, the task is detection$"
    ):
        task_job("detection", recipe=Recipe())
    with pytest.raises(
        TrainingError,
        match=(
            r"^recipe 'digits' is for classification, not for detection; one of shapes_detection,"
            r" ssdlite$"
        ),
    ):
        check_kind("digits", "detection")
    assert [
        default_recipe(kind, "mobilevitv2_050")
        for kind in ("detection", "segmentation", "classification")
    ] == [
        "ssdlite",
        "deeplabv3",
        "v2",
    ]


UNFIT: list[tuple[str, dict[str, Any], str]] = [
    (
        "detection",
        {"augmentation.cutmix_alpha": 1.0},
        r"recipe.augmentation.cutmix_alpha = 1 is not allowed; 0 in a recipe for detection$",
    ),
    (
        "segmentation",
        {"augmentation.mixup_alpha": 0.2},
        r"mixup_alpha = 0.2 is not allowed; 0 in a recipe for segmentation$",
    ),
    (
        "segmentation",
        {"augmentation.crop_smallest_share": 0.1},
        r"crop_smallest_share = 0.1 is not allowed; 1 in a recipe for segm",
    ),
    (
        "detection",
        {"regularisation.label_smoothing": 0.1},
        r"label_smoothing = 0.1 is not allowed; 0 in a recipe for detection$",
    ),
    (
        "detection",
        {"images.validation_resize_px": 40},
        r"resize_px = 40 is not allowed; images.px = 32: in detection, whole images are evaluated$",
    ),
    (
        "segmentation",
        {"segmentation.smallest_scale": 2.0},
        r"smallest_scale = 2 is not allowed; at most largest_scale = 1.5$",
    ),
    (
        "detection",
        {"detection.nms_iou": 1.5},
        r"recipe.detection.nms_iou = 1.5 is not allowed; a number from 0.05 to 0.95$",
    ),
    (
        "detection",
        {"detection.nms_iu": 0.5},
        r"unknown field 'detection.nms_iu'; did you mean 'detection.nms_iou'\?",
    ),
    (
        "segmentation",
        {"detection.nms_iou": 0.5},
        r"recipe: field 'detection.nms_iou' is for detection; this recipe is for segmentation$",
    ),
]


@pytest.mark.parametrize(("kind", "change", "message"), UNFIT)
def test_values_that_have_no_meaning_for_a_task_are_refused(
    kind: str, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        RECIPES[kind].changed(change)
    with pytest.raises(
        TrainingError,
        match=r"^recipe: values for detection and for segmentation; a recipe is for one task$",
    ):
        Recipe(detection=DetectionOptions(), segmentation=SegmentationOptions())


# As stated in the papers and their releases: side, epochs, pictures a step, iterations of the rise,
# rates at its begin, at its end and at the end of all, weight decay.
STATED = {
    ("ssdlite", "mobilevit_xs"): (320, 200, 128, 500, 9e-5, 9e-4, 1e-6, 0.01),
    ("ssdlite", "mobilevitv2_100"): (320, 200, 128, 500, 9e-5, 9e-4, 1e-6, 0.05),
    ("ssdlite", "mobilevitv3_050"): (320, 200, 128, 500, 9e-5, 9e-4, 1e-6, 0.05),
    ("deeplabv3", "mobilevit_s"): (512, 50, 128, 500, 9e-5, 9e-4, 1e-6, 0.01),
    ("deeplabv3", "mobilevitv2_100"): (512, 50, 128, 500, 5e-5, 5e-4, 1e-6, 0.05),
    ("deeplabv3", "mobilevitv3_s"): (512, 50, 128, 500, 9e-5, 9e-4, 1e-6, 0.01),
}


@pytest.mark.parametrize(("name", "model"), STATED)
def test_recipes_are_those_of_the_papers(name: str, model: str) -> None:
    recipe = preset(name, model, 256)
    px, epochs, batch, iterations, first, largest, last, decay = STATED[name, model]
    steps = recipe.optimisation
    assert (recipe.images.px, steps.epochs, recipe.batches.images, recipe.batches.sampler) == (
        px,
        epochs,
        batch,
        "fixed",
    )
    assert steps.warmup_epochs == pytest.approx(iterations * batch / 117_000, abs=0.05)
    rates = (steps.first_learning_rate, steps.largest_learning_rate, steps.last_learning_rate)
    assert (*rates, steps.weight_decay) == pytest.approx((first, largest, last, decay))
    assert (recipe.regularisation.ema_momentum, recipe.regularisation.label_smoothing) == (
        0.0005,
        0.0,
    )
    if recipe.segmentation is not None:
        assert (
            recipe.segmentation.smallest_scale * px,
            recipe.segmentation.largest_scale * px,
        ) == (256, 768)
    assert recipe.kind == PRESETS.get(name).kind


def test_configurations_say_what_the_task_is(tmp_path: Path) -> None:
    job = task_job("detection")
    values = {
        "name": "x",
        "nearest": "mobilevit_xxs",
        "num_classes": 3,
        "weights": None,
        "recipe": job.recipe,
        "architecture": TINY,
    }
    path = tmp_path / "c.yaml"
    path.write_text(TrainingConfig(**values, task=job.task).to_yaml(path))
    assert TrainingConfig.load(path) == TrainingConfig(**values, task=job.task)
    kept = yaml.safe_load(path.read_text())
    assert kept["task"]["task"] == "detection"
    path.write_text(yaml.safe_dump(kept | {"task": {"task": "detektion"}}))
    with pytest.raises(
        TrainingError,
        match=(
            r"c.yaml: task: 'detektion' is not allowed; one of classification, detection,"
            r" segmentation; d"
        ),
    ):
        TrainingConfig.load(path)
    del kept["task"]
    path.write_text(yaml.safe_dump(kept))
    with pytest.raises(
        TrainingError, match=r"c.yaml: recipe: is for detection, task is classification$"
    ):
        TrainingConfig.load(path)
