"""A small training with every random feature, and processes that run it and may be killed."""

from __future__ import annotations

import csv
import dataclasses
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mvt_nas.data import load_images
from mvt_nas.training.accelerator import AcceleratorConfig
from mvt_nas.training.api import train
from mvt_nas.training.callbacks import Callbacks
from mvt_nas.training.folder import TrainingFolder
from mvt_nas.training.job import TrainingJob
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.recipe_groups import (
    Augmentation,
    Batches,
    Images,
    Optimisation,
    Regularisation,
)
from mvt_nas.training.result import TrainingResult
from tests.support.images import folder
from tests.support.short_training_processes import SMALL

ALL_RANDOM = Recipe(
    images=Images(px=16, validation_resize_px=16),
    batches=Batches(
        sampler="multi_scale",
        images=64,
        images_per_device=32,
        smallest_px=16,
        largest_px=24,
        scales=2,
        multiple_of_px=8,
    ),
    augmentation=Augmentation(
        crop_smallest_share=0.6,
        rand_augment_operations=1,
        rand_augment_magnitude=3,
        erase_probability=0.25,
        mixup_alpha=0.2,
        cutmix_alpha=1.0,
    ),
    optimisation=Optimisation(
        epochs=3,
        warmup_epochs=0.5,
        first_learning_rate=0.001,
        largest_learning_rate=0.01,
        last_learning_rate=0.0,
        weight_decay=0.05,
        clip_norm=1.0,
    ),
    regularisation=Regularisation(dropout=0.1, classifier_dropout=0.1, ema_momentum=0.05),
)
PICTURES = 400
LEARNT = 320
MACHINE = AcceleratorConfig(
    device="cpu", threads=1, workers=0, checkpoint_steps=3, tensorboard=False
)


@cache
def data() -> str:
    """Return the path of a file with some of the digits."""
    digits, path = (
        load_images("digits", 8),
        Path(tempfile.mkdtemp(prefix="mvt-nas-digits-")) / "some.npz",
    )
    np.savez(path, images=digits.images[:PICTURES], labels=digits.labels[:PICTURES])
    return str(path)


def job(recipe: Recipe = ALL_RANDOM, **changes: Any) -> TrainingJob:
    return TrainingJob(
        **(
            {
                "name": "small",
                "nearest": "mobilevitv3_xxs",
                "architecture": SMALL,
                "recipe": recipe,
                "data": data(),
            }
            | changes
        )
    )


def plain(**changes: Any) -> Recipe:
    """Return a recipe of one image size without smoothing; only order and weights are random."""
    still = Augmentation(crop_smallest_share=1.0, flip_probability=0.0)
    recipe = dataclasses.replace(
        ALL_RANDOM,
        batches=Batches(images=64, images_per_device=64),
        augmentation=still,
        regularisation=Regularisation(label_smoothing=0.0, ema_momentum=0.05),
    )
    return recipe.changed(changes)


def run(
    folder: Path,
    recipe: Recipe = ALL_RANDOM,
    callbacks: Callbacks | None = None,
    accelerator: AcceleratorConfig = MACHINE,
    **changes: Any,
) -> TrainingResult:
    return train(job(recipe, **changes), folder, accelerator, callbacks)


def left(folder: Path) -> dict[str, Any]:
    """Return the files of a training that must not depend on interruptions: all but seconds."""
    files = TrainingFolder(folder)
    with files.metrics.open(newline="") as file:
        rows = [
            {name: value for name, value in row.items() if name != "seconds"}
            for row in csv.DictReader(file)
        ]
    kept = torch.load(files.last, weights_only=True)
    weights = torch.load(files.weights, weights_only=True)
    optimiser = {
        f"{index} {name}": value
        for index, state in kept["optimiser"]["state"].items()
        for name, value in state.items()
    }
    return {"rows": rows} | {
        f"{part} {name}": value.numpy().tobytes()
        for part, tensors in (
            ("best", weights),
            ("network", kept["network"]),
            ("average", kept["average"]),
            ("optimiser", optimiser),
        )
        for name, value in tensors.items()
    }


def train_and_tell(folder: str, told: str, workers: int, pictures: str) -> None:
    """Train in a process of its own; the file ``told`` grows by a byte with every step."""
    with open(told, "ab", buffering=0) as file:

        def step(*_: object) -> None:
            file.write(b".")

        run(
            Path(folder),
            callbacks=Callbacks(on_step=step),
            accelerator=dataclasses.replace(MACHINE, workers=workers),
            data=pictures,
        )


class Broken(Exception):
    """What a listener breaks a training off with."""


def breaking(after: int) -> Callbacks:
    """Return a listener that breaks a training off after so many steps of a sitting."""
    steps = iter(range(1, after + 1))

    def step(*_: object) -> None:
        if next(steps) == after:
            raise Broken

    return Callbacks(on_step=step)


def pictures(root: Path, broken: int) -> Path:
    """Write 240 pictures of two classes, some of them damaged."""
    folder(root, {"a": 120, "b": 120})
    for index in range(broken):
        (root / "a" / f"{index}.png").write_bytes(b"none")
    return root
