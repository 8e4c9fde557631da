"""Small folders of annotated images, and short detection and segmentation trainings to kill."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mvt_nas.data.annotated_source import AnnotatedCatalogue, find_annotated
from mvt_nas.space.architecture import Architecture, Stage
from mvt_nas.tasks.base import task_from_text
from mvt_nas.training.accelerator import AcceleratorConfig
from mvt_nas.training.api import train
from mvt_nas.training.callbacks import Callbacks
from mvt_nas.training.job import TrainingJob
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.recipe_groups import (
    Augmentation,
    Batches,
    DetectionOptions,
    Images,
    Optimisation,
    Regularisation,
    SegmentationOptions,
)
from mvt_nas.training.result import TrainingResult
from tests.support.images import noise, write
from tests.support.short_training_processes import BLOCK
from tests.support.training_processes import MACHINE

TINY = Architecture(
    resolution_px=32,
    stem_width=8,
    stages=(
        Stage(width=16, stride=2, expansion=2.0),
        Stage(width=24, stride=2, expansion=2.0, block=BLOCK),
        Stage(width=32, stride=2, expansion=2.0),
    ),
)
"""Maps of 4 x 4 and 2 x 2 for pictures of 32 px."""

OBJECTS = {
    "a": [("cat", (1, 1, 8, 6)), ("dog", (9, 3, 16, 12))],
    "b": [("dog", (2, 2, 7, 9))],
    "c": [("cat", (5, 4, 12, 10))],
}
"""Of each picture, in VOC's pixels: from 1, the last one inside."""

_COMMON: dict[str, Any] = {
    "images": Images(px=32, validation_resize_px=32),
    "batches": Batches(images=8, images_per_device=4),
    "augmentation": Augmentation(crop_smallest_share=1.0),
    "optimisation": Optimisation(
        epochs=2,
        warmup_epochs=0.5,
        first_learning_rate=0.001,
        largest_learning_rate=0.01,
        last_learning_rate=0.0,
        clip_norm=1.0,
    ),
    "regularisation": Regularisation(
        label_smoothing=0.0, dropout=0.1, classifier_dropout=0.1, ema_momentum=0.05
    ),
}
RECIPES = {
    "detection": Recipe(**_COMMON, detection=DetectionOptions(score_threshold=0.05)),
    "segmentation": Recipe(**_COMMON, segmentation=SegmentationOptions()),
}
"""With everything on that is random."""


def voc(
    root: Path,
    objects: dict[str, list[tuple[str, tuple[int, int, int, int]]]] | None = None,
    judged: tuple[str, ...] = ("c",),
) -> Path:
    """Write a folder in the form of Pascal VOC, of pictures of 16 x 12 pixels."""
    given = OBJECTS if objects is None else objects
    for number, (stem, found) in enumerate(given.items()):
        write(root / "JPEGImages" / f"{stem}.png", noise(number))
        parts = "".join(_xml_object(name, corners) for name, corners in found)
        _text(
            root / "Annotations" / f"{stem}.xml",
            f"<annotation><size><width>16</width><height>12</height></size>{parts}</annotation>",
        )
        mask = np.full((12, 16), number, np.uint8)
        mask[0, 0] = 255
        write(root / "SegmentationClass" / f"{stem}.png", mask)
    for folder in ("Main", "Segmentation"):
        _text(
            root / "ImageSets" / folder / "train.txt",
            "".join(f"{stem}\n" for stem in given if stem not in judged),
        )
        _text(root / "ImageSets" / folder / "val.txt", "".join(f"{stem}\n" for stem in judged))
    return root


def _xml_object(name: str, corners: tuple[int, int, int, int]) -> str:
    box = "".join(
        f"<{side}>{value}</{side}>"
        for side, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    )
    return f"<object><name>{name}</name><difficult>0</difficult><bndbox>{box}</bndbox></object>"


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def coco(root: Path) -> Path:
    """Write a dataset in the COCO layout.

    Its training split has two images with objects and one without, its validation split one image.
    """
    categories = [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}]
    square = [[2, 2, 6, 2, 6, 8, 2, 8]]
    first = {
        "id": 1,
        "image_id": 11,
        "category_id": 7,
        "bbox": [2, 2, 4, 6],
        "segmentation": square,
        "iscrowd": 0,
    }
    crowd = {"counts": [12, 24, 156], "size": [12, 16]}
    second = {
        "id": 2,
        "image_id": 12,
        "category_id": 3,
        "bbox": [1, 0, 2, 12],
        "segmentation": crowd,
        "iscrowd": 1,
    }
    empty = {
        "id": 3,
        "image_id": 12,
        "category_id": 3,
        "bbox": [1, 0, 0, 3],
        "segmentation": [],
        "iscrowd": 0,
    }
    write_coco(root, "train2017", [11, 12, 13], [first, second, empty], categories)
    write_coco(root, "val2017", [21], [first | {"image_id": 21, "category_id": 3}], categories)
    return root


def write_coco(
    root: Path,
    part: str,
    numbers: list[int],
    annotations: list[dict[str, Any]],
    categories: list[dict[str, Any]],
) -> None:
    images = [
        {"id": number, "file_name": f"{number}.png", "width": 16, "height": 12}
        for number in numbers
    ]
    for number in numbers:
        write(root / part / f"{number}.png", noise(number))
    _text(
        root / "annotations" / f"instances_{part}.json",
        json.dumps({"images": images, "annotations": annotations, "categories": categories}),
    )


def pairs(
    root: Path, counts: dict[str, int], classes: str | None = "background\nthing\n", index: int = 1
) -> Path:
    """Write images with their masks, ``counts`` per split; the left half of each is background."""
    for part, count in counts.items():
        for number in range(count):
            write(root / "images" / part / f"{number}.jpg", noise(number))
            mask = np.zeros((12, 16), np.uint8)
            mask[:, 8:] = index
            write(root / "masks" / part / f"{number}.png", mask)
    if classes is not None:
        (root / "classes.txt").write_text(classes)
    return root


def painted(path: Path, pixels: Any) -> Path:
    """Write pixels, (H, W, 3), without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def task_job(kind: str, data: str = "shapes", **changes: Any) -> TrainingJob:
    task = task_from_text(kind)
    values = {
        "name": "small",
        "nearest": "mobilevitv3_xxs",
        "architecture": TINY,
        "recipe": RECIPES[kind],
        "data": data,
        "task": task,
    }
    return TrainingJob(**(values | changes))


def task_run(
    folder: Path,
    kind: str,
    callbacks: Callbacks | None = None,
    accelerator: AcceleratorConfig = MACHINE,
    **changes: Any,
) -> TrainingResult:
    return train(task_job(kind, **changes), folder, accelerator, callbacks)


def small_voc(root: Path, count: int = 24, judged: int = 6) -> Path:
    """Write a folder in the form of Pascal VOC with so many pictures."""
    objects = {
        f"{number:02}": [("cat", (1 + number % 4, 1, 9, 7)), ("dog", (8, 4, 15, 12))]
        for number in range(count)
    }
    voc(root, objects, tuple(f"{number:02}" for number in range(count - judged, count)))
    for mask in (root / "SegmentationClass").iterdir():
        pixels = np.zeros((12, 16), np.uint8)
        pixels[3:9, 4:12] = 1 + int(mask.stem) % 2
        write(mask, pixels)
    (root / "classes.txt").write_text("cat\ndog\n")
    return root


def train_task_and_tell(folder: str, told: str, workers: int, kind: str, data: str) -> None:
    """Train in a process of its own; the file ``told`` grows by a byte with every step."""
    with open(told, "ab", buffering=0) as file:

        def step(*_: object) -> None:
            file.write(b".")

        task_run(
            Path(folder),
            kind,
            Callbacks(on_step=step),
            dataclasses.replace(MACHINE, workers=workers),
            data=data,
        )


def opened(source: Path | str, kind: str = "detection") -> AnnotatedCatalogue:
    """Return the annotated images of a source."""
    return find_annotated(str(source), kind).annotated(str(source), kind)
