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
import yaml
from sklearn.metrics import confusion_matrix, jaccard_score
from torch import nn
from torch.nn import functional

from mvt_nas.data.annotations.shapes import scene
from mvt_nas.errors import CheckpointError, DataError, TrainingError
from mvt_nas.models.network import build_model
from mvt_nas.tasks.base import task_from_text
from mvt_nas.training.accelerator import fabric_for
from mvt_nas.training.api import train
from mvt_nas.training.callbacks import Callbacks
from mvt_nas.training.config import TrainingConfig
from mvt_nas.training.dataset import ImageBatch
from mvt_nas.training.detection.boxes import iou, postprocess
from mvt_nas.training.evaluation import evaluate
from mvt_nas.training.folder import TrainingFolder
from mvt_nas.training.initial_weights import Initialization
from mvt_nas.training.presets import RECIPES as PRESETS
from mvt_nas.training.presets import check_kind, default_recipe, preset
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.recipe_groups import DetectionOptions, SegmentationOptions
from mvt_nas.training.result import TrainingResult
from mvt_nas.training.tasks.segmentation import SegmentationAccumulator, mean_iou
from tests.support.annotated_training_processes import (
    RECIPES,
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


class Fixed(nn.Module):
    """Returns the logits that were given, batch by batch."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits, self.place = logits, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.place += len(images)
        return self.logits[self.place - len(images) : self.place]


def test_figures_of_segmentation_are_those_of_scikit_learn() -> None:
    random = torch.Generator().manual_seed(0)
    logits, masks = (
        torch.randn(5, 4, 6, 7, generator=random),
        torch.randint(4, (5, 6, 7), generator=random).to(torch.uint8),
    )
    masks[masks == 3] = 2  # a class that is found but not there
    masks[0, :2] = 255
    batches = [
        ImageBatch(torch.zeros(len(part), 3, 6, 7, dtype=torch.uint8), part, ())
        for part in masks.split(2)
    ]
    (found,), _ = evaluate(
        [Fixed(logits)],
        batches,
        [SegmentationAccumulator(4, torch.device("cpu"))],
        fabric_for(MACHINE),
    )
    known = masks != 255
    truth, taken = masks[known].numpy(), logits.argmax(1)[known].numpy()
    assert found.confusion.tolist() == confusion_matrix(truth, taken, labels=range(4)).tolist()
    assert found.miou == pytest.approx(
        jaccard_score(truth, taken, average="macro", labels=range(4), zero_division=0)
    )
    assert found.pixel_accuracy == pytest.approx((truth == taken).mean())
    assert found.loss == pytest.approx(
        functional.cross_entropy(logits, masks.long(), ignore_index=255).item(), rel=1e-5
    )


def test_mean_iou_in_closed_form() -> None:
    assert mean_iou(torch.tensor([[3, 1], [0, 4]])) == pytest.approx((3 / 4 + 4 / 5) / 2)
    assert (
        mean_iou(torch.tensor([[3, 0, 0], [0, 5, 0], [0, 0, 0]])) == 1
    )  # a class that neither occurs nor is found
    assert mean_iou(torch.tensor([[0, 2], [2, 0]])) == 0


def test_without_a_pixel_to_judge_by_it_is_refused() -> None:
    batch = ImageBatch(
        torch.zeros(1, 3, 4, 4, dtype=torch.uint8),
        torch.full((1, 4, 4), 255, dtype=torch.uint8),
        ("x",),
    )
    with pytest.raises(
        DataError,
        match=(
            r"^none of the validation images can be read, or all of their pixels are to be"
            r" ignored$"
        ),
    ):
        evaluate(
            [Fixed(torch.zeros(1, 2, 4, 4))],
            [batch],
            [SegmentationAccumulator(2, torch.device("cpu"))],
            fabric_for(MACHINE),
        )


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
