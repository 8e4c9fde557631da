"""``mvt-nas train --task``: annotated images in, weights out, one line for each mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mvt_nas.training.config import TrainingConfig
from mvt_nas.training.presets import preset
from tests.cli.test_train import refused
from tests.support.annotated_training_processes import TINY, pairs, small_voc, voc
from tests.support.cli import run

QUICK = (
    "--epochs",
    "1",
    "--batch",
    "8",
    "--threads",
    "1",
    "--device",
    "cpu",
    "--workers",
    "0",
    "--px",
    "32",
    "--no-tensorboard",
)
SHAPES = ("--data", "shapes", "--set", "optimisation.clip_norm=1")


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("tiny.json").write_text(TINY.to_json())
    small_voc(Path("voc"))
    return "tiny.json"


@pytest.mark.slow
def test_a_segmenter_is_trained_resumed_and_told(network: str) -> None:
    command = (
        "train",
        network,
        "--task",
        "segmentation",
        "--recipe",
        "shapes_segmentation",
        "--data",
        "voc",
        *QUICK,
    )
    code, out, err = run(*command)
    assert code == 0, err
    assert err.startswith("Training: initial weights\nepoch 1/1: loss ")
    assert ", mIoU " in err
    assert "mIoU %  pixel accuracy %" in out
    assert "curves, checkpoints and confusion.png are in the same" in out
    assert out.splitlines()[-1] == "Export them:  mvt-nas export trained/tiny --to onnx"
    code, out, err = run("train", "--resume", "--out", "trained/tiny", "--json")
    assert (code, err) == (0, "Training: all epochs are done\n")
    document = json.loads(out)
    assert set(document["judged"]["best"]) == {"loss", "miou", "pixel_accuracy"}
    assert "of another training (seed = 0, not 1)" in refused(
        "--resume", "--out", "trained/tiny", "--seed", "1"
    )


@pytest.mark.slow
def test_a_detector_is_trained_from_a_configuration(network: str) -> None:
    from mvt_nas.tasks.base import task_from_text

    recipe = preset("shapes_detection", "mobilevit_xxs", 256).at(32)
    task = task_from_text(
        "detection,resolution_px=32"
    )  # of 80 classes; a training takes those of its pictures
    values = {
        "name": "tiny",
        "nearest": "mobilevit_xxs",
        "num_classes": 80,
        "weights": None,
        "recipe": recipe,
        "architecture": TINY,
    }
    Path("tiny.yaml").write_text(TrainingConfig(**values, task=task).to_yaml(Path("tiny.yaml")))
    code, out, err = run("train", "tiny.yaml", "--data", "voc", *QUICK, "--out", "made")
    assert code == 0, err
    assert ", AP " in err
    assert "loss  AP %  AP50 %" in out
    assert "curves, checkpoints and detections.png and precision_recall.png are in the same" in out
    kept = TrainingConfig.load(Path("made/config.yaml"))
    assert (kept.task.num_classes, kept.num_classes) == (2, 2) if kept.task else False
    shared = (
        "train",
        "made",
        "--task",
        "segmentation",
        "--recipe",
        "shapes_segmentation",
        "--data",
        "voc",
    )  # of a folder, the backbone
    code, _, err = run(*shared, *QUICK, "--out", "other")
    assert code == 0, err
    assert "made/weights.pt, in the names of mvt-nas: " in err


def test_mistakes_are_one_line(network: str) -> None:
    detect = (network, "--task", "detection")
    assert "--data is missing: shapes, a folder in the form of Pascal VOC or COCO" in refused(
        *detect
    )
    assert "--task: 'detekt' is not allowed; one of classification, detection" in refused(
        network, "--task", "detekt"
    )
    told = refused(*detect, "--recipe", "digits", *SHAPES)
    assert (
        "recipe 'digits' is for classification, not for detection; one of shapes_detection, ssdlite"
        in told
    )
    told = refused(network, "--recipe", "ssdlite", "--data", "digits")
    assert (
        "recipe 'ssdlite' is for detection, not for classification; one of digits, v1, v2, v3"
        in told
    )
    told = refused(*detect, *SHAPES, "--set", "augmentation.cutmix_alpha=1")
    assert "--set.augmentation.cutmix_alpha = 1 is not allowed; 0 in a recipe for detection" in told
    told = refused(
        network,
        "--data",
        "digits",
        "--recipe",
        "digits",
        "--set",
        "detection.nms_iou=0.4",
    )
    assert (
        "--set: field 'detection.nms_iou' is for detection; this recipe is for classification"
        in told
    )
    assert "digits: no such file or folder for detection (sources: " in refused(
        *detect, "--data", "digits"
    )
    told = refused(network, "--data", "shapes", "--recipe", "digits")
    assert (
        "shapes: 'shapes', drawn on the fly is for detection, segmentation, not for classification;"
        " --task says so" in told
    )
    told = refused(network, "--data", "voc", "--recipe", "digits")
    assert "is for detection, segmentation, not for classification; --task says so" in told
    told = refused(network, "--task", "detection,num_classes=9", "--data", "voc")
    assert "voc: has 2 classes (cat, dog), not num_classes = 9 as the task says" in told
    pairs(Path("pairs"), {"train": 2})
    assert "is for segmentation, not for detection" in refused(*detect, "--data", "pairs")
    voc(Path("torn"))
    Path("torn/Annotations/a.xml").write_text("<!DOCTYPE x><annotation/>")
    assert (
        "torn/Annotations/a.xml: refused: document types and entities are not allowed"
        in refused(*detect, "--data", "torn")
    )
    assert "recipe.batches.images = 128 is not allowed; at most 18" in refused(
        *detect, "--data", "voc"
    )
    flat = (
        '{"resolution_px": 32, "stem_width": 8, "stages": [{"width": 16, "stride": 1, "expansion":'
        " 2.0}]}"
    )
    Path("flat.json").write_text(flat)
    assert "task detection: a stage of stride 2 behind another stage is needed" in refused(
        "flat.json", "--task", "detection", *SHAPES
    )


def test_the_resolution_is_that_which_is_asked_for(network: str) -> None:
    tasks = {"segmentation,resolution_px=48": (), "segmentation": ("--px", "48")}
    for number, (task, rest) in enumerate(tasks.items()):
        choices = [choice for choice in QUICK if choice not in ("--px", "32")]
        command = (
            network,
            "--task",
            task,
            "--recipe",
            "shapes_segmentation",
            "--data",
            "voc",
            *choices,
            *rest,
            "--out",
            f"{number}",
        )
        code, _, err = run("train", *command)
        assert code == 0, err
        config = TrainingConfig.load(Path(f"{number}/config.yaml"))
        assert config.task is not None
        assert (config.task.resolution_px, config.recipe.images.px) == (48, 48)


def test_help_names_the_tasks() -> None:
    code, out, _ = run("train", "--help")
    assert code == 0
    for name in ("--task", "detection", "segmentation", "ssdlite", "deeplabv3", "shapes"):
        assert name in out


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["detection", "segmentation"])
def test_what_was_trained_for_a_task_goes_to_a_device(kind: str, network: str) -> None:
    assert (
        run(
            "export",
            network,
            "--task",
            f"{kind},resolution_px=32,num_classes=3",
            "--to",
            "trainer",
        )[0]
        == 0
    )
    recipe = ("--recipe", f"shapes_{kind}", "--data", "voc", "--out", "made")
    code, out, err = run(
        "train", "exported/tiny/trainer/tiny.yaml", *recipe, *QUICK, "--to", "python"
    )
    assert code == 0, err
    assert "  made/exported/python/tiny.py\n" in out
    code, out, err = run("export", "made", "--to", "onnx", "--measure-seconds", "0", "--json")
    assert code == 0, err
    (exported,) = json.loads(out)
    assert (exported["same"], exported["pictures"], exported["files"]) == (
        True,
        None,
        ["made/exported/onnx/tiny.onnx"],
    )
    code, out, err = run("import", exported["files"][0], "--json")
    task = TrainingConfig.load(Path("made/config.yaml")).task
    assert task is not None
    assert (task.kind, json.loads(out)["task"]) == (kind, task.to_dict())
    told = run("export", "made", "--to", "timm")
    assert (told[0], told[2]) == (
        2,
        f"mvt-nas: error: target timm takes no networks for {kind}: timm trains classifiers only\n",
    )
