"""Detection and segmentation trainings: they learn, resume bit for bit, and report errors."""

from __future__ import annotations

import csv
import dataclasses
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from mvt_nas.data.annotations.shapes import scene
from mvt_nas.errors import CheckpointError, DataError, TrainingError
from mvt_nas.models.network import build_model
from mvt_nas.tasks.base import task_from_text
from mvt_nas.training.api import train
from mvt_nas.training.callbacks import Callbacks
from mvt_nas.training.config import TrainingConfig
from mvt_nas.training.detection.boxes import iou, postprocess
from mvt_nas.training.folder import TrainingFolder
from mvt_nas.training.initial_weights import Initialization
from mvt_nas.training.presets import preset
from mvt_nas.training.result import TrainingResult
from tests.support.annotated_training_processes import (
    TINY,
    pairs,
    small_voc,
    task_job,
    task_run,
    train_task_and_tell,
    voc,
)
from tests.support.forked_workers import PROCESSES
from tests.support.images import noise, write
from tests.support.training_processes import MACHINE, left
from tests.support.training_processes import run as run_classification

KINDS = ("detection", "segmentation")
COLUMNS = {"detection": ["ap", "ap50"], "segmentation": ["miou", "pixel_accuracy"]}
STEPS = 2 * 3
"""Of a whole training on the 18 pictures that are learnt from, at least."""


@cache
def data() -> str:
    return str(small_voc(Path(mkdtemp(prefix="mvt-nas-voc-"))))


@cache
def whole(kind: str) -> tuple[TrainingResult, dict[str, Any]]:
    """Return a training that was never broken off, and what it left."""
    place = Path(mkdtemp(prefix="mvt-nas-whole-"))
    fitted = task_run(place, kind, data=data())
    return fitted, left(place)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_training_leaves_belongs_together(kind: str) -> None:
    fitted, _ = whole(kind)
    files = fitted.folder
    with files.metrics.open(newline="") as file:
        rows = list(csv.DictReader(file))
    shares = COLUMNS[kind]
    both = ["validation_loss", *shares, "ema_loss", *(f"ema_{name}" for name in shares)]
    assert list(rows[0]) == ["epoch", "steps", "learning_rate", "train_loss", *both, "seconds"]
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(
        0 <= float(row[name]) <= 1 for row in rows for name in (shares[0], f"ema_{shares[1]}")
    )
    config = TrainingConfig.load(files.config)
    assert config.task == fitted.job.task
    assert config.task is not None
    assert (config.task.resolution_px, config.task.num_classes) == (32, len(fitted.class_names))
    assert config.training is not None
    assert config.training.class_names == (
        ("cat", "dog") if kind == "detection" else ("background", "cat", "dog")
    )
    assert fitted.evaluation.metrics.main == max(row.best for row in fitted.history)
    network = build_model(TINY, task=config.task, seed=1)
    network.load_state_dict(torch.load(files.weights, weights_only=True))
    pictures = {
        "detection": {"detections.png", "precision_recall.png"},
        "segmentation": {"confusion.png"},
    }
    assert {path.name for path in files.path.glob("*.png")} == pictures[kind]


def kill_once(folder: Path, steps: int, delay_s: float, kind: str) -> bool:
    """Kill a training process after some steps and a delay; return False if it ended before."""
    told = folder.with_suffix(".told")
    before = told.stat().st_size if told.exists() else 0
    process = PROCESSES.Process(
        target=train_task_and_tell, args=(str(folder), str(told), 0, kind, data())
    )
    process.start()
    while process.is_alive() and (told.stat().st_size if told.exists() else 0) < before + steps:
        time.sleep(0.001)
    time.sleep(delay_s)
    process.kill()
    process.join()
    return process.exitcode == -9


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_training_killed_at_three_moments_ends_with_the_same_weights(
    kind: str, tmp_path: Path
) -> None:
    folder = tmp_path / "training"
    killed = [
        kill_once(folder, steps, delay, kind) for steps, delay in ((1, 0.0), (2, 0.01), (1, 0.02))
    ]
    task_run(folder, kind, data=data())
    assert sum(killed) >= 2
    assert left(folder) == whole(kind)[1]
    assert not list(folder.rglob(".*.tmp"))


@pytest.mark.parametrize("kind", KINDS)
def test_other_processes_read_the_same_pictures(kind: str, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    task_run(tmp_path, kind, accelerator=dataclasses.replace(MACHINE, workers=1), data=data())
    assert torch.equal(torch.get_rng_state(), before)
    assert left(tmp_path) == whole(kind)[1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_against_the_gradient_lowers_the_loss(kind: str) -> None:
    from mvt_nas.training.task import TRAINING_TASKS

    task = TRAINING_TASKS.get(kind)(task_job(kind, data()))
    network = task.build_network().eval()
    batch = task.collate([task.validation_dataset[int(row)] for row in task.split.validation])
    images, targets = task.training_batch(batch, torch.device("cpu"), np.random.default_rng(0))
    assert images.shape == (6, 3, 32, 32)
    first = task.loss(network(images), targets)
    first.backward()  # type: ignore[no-untyped-call]
    norm = torch.nn.utils.clip_grad_norm_(network.parameters(), 1e9)
    torch.optim.SGD(network.parameters(), lr=1e-3 / norm.item()).step()
    assert task.loss(network(images), targets).item() < first.item()


def stop(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("kind", KINDS)
def test_trainings_begin_with_the_backbone_of_a_classifier(kind: str, tmp_path: Path) -> None:
    torch.save(build_model(TINY, num_classes=10, seed=7).state_dict(), tmp_path / "w.pt")
    told: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        task_run(
            tmp_path / "t",
            kind,
            Callbacks(on_start=told.append, on_step=stop),
            data=data(),
            start=Initialization(tmp_path / "w.pt", same=False),
        )
    assert told[0].startswith(f"{tmp_path}/w.pt, in the names of mvt-nas: ")
    kept = torch.load(TrainingFolder(tmp_path / "t").last, weights_only=True)["network"]
    given = torch.load(tmp_path / "w.pt", weights_only=True)
    shared = [
        name
        for name in kept
        if name.startswith(("stem.", "stages.")) and not name.endswith("num_batches_tracked")
    ]
    assert len(shared) > 50
    assert all(torch.equal(kept[name], given[name]) for name in shared)
    with pytest.raises(
        CheckpointError,
        match=r"w.pt: .*; --warm-start takes what fits, such as the backbone of a classifier$",
    ):
        task_run(tmp_path / "u", kind, data=data(), start=Initialization(tmp_path / "w.pt"))


def test_trained_weights_are_taken_whole(tmp_path: Path) -> None:
    task = task_from_text("detection,num_classes=2,resolution_px=32")
    assert task is not None
    network = build_model(TINY, task=task, seed=3)
    torch.save(network.state_dict(), tmp_path / "w.pt")
    told: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        task_run(
            tmp_path / "t",
            "detection",
            Callbacks(on_start=told.append, on_step=stop),
            data=data(),
            start=Initialization(tmp_path / "w.pt"),
        )
    assert told == [f"{tmp_path}/w.pt, in the names of mvt-nas"]


def test_classes_that_disagree_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r": has 2 classes \(cat, dog\), not num_classes = 5 as the task says$"
    ):
        task_run(tmp_path, "detection", data=data(), num_classes=5)
    place = pairs(tmp_path / "p", {"train": 12, "val": 2}, classes=None, index=2)
    with pytest.raises(
        DataError,
        match=(
            r"p: classes.txt is missing, which names .*; or give their number: --task"
            r" segmentation,num_c"
        ),
    ):
        task_run(tmp_path / "t", "segmentation", data=str(place))
    with pytest.raises(
        DataError,
        match=r"\d.jpg: 2 in the mask is not allowed; 0 to 1, or 255 for pixels to ignore$",
    ):
        task_run(tmp_path / "u", "segmentation", data=str(place), num_classes=2)
    with pytest.raises(
        DataError, match=r"\d.jpg: 2 in the mask is not allowed"
    ) as told:  # from another process
        task_run(
            tmp_path / "v",
            "segmentation",
            data=str(place),
            num_classes=2,
            accelerator=dataclasses.replace(MACHINE, workers=1),
        )
    assert "\n" not in str(told.value)
    fitted = task_run(tmp_path / "w", "segmentation", data=str(place), num_classes=3)
    assert fitted.class_names == ("0", "1", "2")


def test_other_tasks_do_not_go_on_in_a_folder(tmp_path: Path) -> None:
    run_classification(tmp_path)
    with pytest.raises(
        TrainingError,
        match=r"last.ckpt: checkpoint of another training \(.*\); choose another path$",
    ):
        task_run(tmp_path, "segmentation", data=data())


@pytest.mark.soak
def test_a_detector_finds_what_it_has_learned(tmp_path: Path) -> None:
    """In most images the best box is on an object of its class, counted without the evaluation."""
    recipe = preset("shapes_detection", "mobilevit_xxs", 256)
    from mvt_nas.space.published import zoo

    job = task_job("detection", recipe=recipe, architecture=zoo("mobilevit_xxs"), name="shapes")
    fitted = train(job, tmp_path, MACHINE)
    assert fitted.evaluation.ap50 > 0.4
    assert fitted.job.task is not None
    assert recipe.detection is not None
    network = build_model(fitted.job.architecture, task=fitted.job.task, seed=0).eval()
    network.load_state_dict(torch.load(fitted.folder.weights, weights_only=True))
    right = 0
    with torch.inference_mode():
        for number in range(800, 850):
            pixels, _, boxes = scene(number)
            image = functional.interpolate(
                torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255,
                size=(recipe.images.px,) * 2,
                mode="area",
            )
            logits, offsets = network(image)
            found = postprocess(
                logits[0], offsets[0], network.anchors(recipe.images.px), recipe.detection
            )
            truth = torch.from_numpy(boxes.corners / [112, 96, 112, 96]).float()
            on = iou(found.corners[:1], truth)[0] > 0.5
            right += bool((on & (torch.from_numpy(boxes.labels) == found.labels[0])).any())
    assert right > 25


@pytest.mark.parametrize(
    ("epochs", "miou"),
    [
        pytest.param(2, 0.28, marks=pytest.mark.soak),
        pytest.param(None, 0.55, marks=pytest.mark.soak),
    ],
)
def test_a_segmenter_finds_what_it_has_learnt(
    epochs: int | None, miou: float, tmp_path: Path
) -> None:
    from mvt_nas.space.published import zoo

    recipe = preset("shapes_segmentation", "mobilevit_xxs", 256)
    steps = recipe.optimisation
    recipe = dataclasses.replace(
        recipe, optimisation=dataclasses.replace(steps, epochs=epochs or steps.epochs)
    )
    job = task_job("segmentation", recipe=recipe, architecture=zoo("mobilevit_xxs"), name="shapes")
    fitted = train(job, tmp_path, MACHINE)
    assert fitted.evaluation.miou > miou


def test_pictures_of_another_size_than_their_annotations_are_refused(tmp_path: Path) -> None:
    place = small_voc(tmp_path / "v")
    write(place / "JPEGImages" / "03.png", noise(0, height=16, width=12))
    with pytest.raises(
        DataError, match=r"03.png: the image has 12 x 16 pixels, its annotation says 16 x 12$"
    ):
        task_run(tmp_path / "t", "detection", data=str(place))


def test_unannotated_folders_are_refused(tmp_path: Path) -> None:
    voc(tmp_path / "v", {"a": [], "b": []}, ("b",))
    with pytest.raises(DataError, match=r"v: no objects to train on$"):
        task_run(tmp_path / "t", "detection", data=str(tmp_path / "v"))
    with (
        TemporaryDirectory() as empty,
        pytest.raises(
            DataError,
            match=r": cannot be used for detection \(sources: a folder in the COCO format",
        ),
    ):
        task_run(tmp_path / "t", "detection", data=empty)
