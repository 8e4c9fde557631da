"""Changed values of recipes: errors name the value and what is allowed."""

from __future__ import annotations

from typing import Any

import pytest

from mvt_nas.errors import TrainingError
from mvt_nas.training.recipe import Recipe


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
