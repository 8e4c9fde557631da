"""Detectors and segmenters for ml-cvnets: maps of its encoder, and the papers' settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from mvt_nas.errors import ExportError
from mvt_nas.export.base import ExportModel, read_architecture
from mvt_nas.export.cvnets.yaml_file import settings
from mvt_nas.export.verification import export
from mvt_nas.models.network import TaskNetwork
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import zoo
from tests.export.test_cvnets import built, standin, with_weights, write
from tests.support.cvnets_settings import OPTIONS, flat
from tests.support.export_networks import (
    BLOCKS,
    architecture_with,
    difference,
    realistic_export_model,
)

__all__ = ["standin"]  # a fixture

pytestmark = pytest.mark.slow

DETECTION = "detection,num_classes=3,resolution_px=96"
SEGMENTATION = "segmentation,num_classes=4,resolution_px=96"
MIXED = architecture_with(BLOCKS["v3 on v1"], BLOCKS["v3 on v2"], BLOCKS["mixed norms"])
NETWORKS = {name: zoo(name) for name in ("mobilevit_xxs", "mobilevitv2_050", "mobilevitv3_xs")} | {
    "mixed": MIXED
}

# Names of options in ml-cvnets' tag cvnets-v0.4, which exported settings of these tasks
# have in addition to those of classification.
_NAMES = """
loss.detection.name loss.detection.ssd_multibox_loss.neg_pos_ratio anchor_generator.name
anchor_generator.ssd.output_strides anchor_generator.ssd.aspect_ratios
anchor_generator.ssd.min_scale_ratio anchor_generator.ssd.max_scale_ratio matcher.name
matcher.ssd.center_variance matcher.ssd.size_variance matcher.ssd.iou_threshold
model.detection.name model.detection.n_classes model.detection.ssd.proj_channels
model.detection.ssd.nms_iou_threshold image_augmentation.random_crop.enable
image_augmentation.random_crop.seg_class_max_ratio image_augmentation.random_crop.pad_if_needed
image_augmentation.random_crop.mask_fill image_augmentation.random_short_size_resize.enable
image_augmentation.random_short_size_resize.interpolation
image_augmentation.random_short_size_resize.short_side_min
image_augmentation.random_short_size_resize.short_side_max
image_augmentation.random_short_size_resize.max_img_dim
image_augmentation.photo_metric_distort.enable image_augmentation.random_rotate.enable
image_augmentation.random_rotate.angle image_augmentation.random_rotate.mask_fill
image_augmentation.random_gaussian_noise.enable loss.segmentation.name
loss.segmentation.cross_entropy.aux_weight loss.segmentation.cross_entropy.ignore_index
model.segmentation.name model.segmentation.n_classes model.segmentation.lr_multiplier
model.segmentation.seg_head model.segmentation.output_stride model.segmentation.use_aux_head
model.segmentation.activation.name model.segmentation.deeplabv3.aspp_rates
model.segmentation.deeplabv3.aspp_out_channels model.segmentation.deeplabv3.aspp_dropout
"""


def of(name: str, text: str) -> dict[str, Any]:
    return flat(settings(like(zoo(name), text, name), "mvt_x"))


def like(architecture: Architecture, text: str, nearest: str = "mobilevit_xxs") -> ExportModel:
    return replace(realistic_export_model("net", architecture, task=text), nearest=nearest)


@pytest.mark.parametrize(
    "text",
    [
        DETECTION,
        SEGMENTATION,
        f"{SEGMENTATION},output_stride=8",
        f"{SEGMENTATION},output_stride=64",
    ],
)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_encoder_gives_the_maps_of_the_network(
    name: str, text: str, standin: Any, tmp_path: Path
) -> None:
    found = like(NETWORKS[name], text)
    model = write(found, tmp_path)
    given = yaml.safe_load((tmp_path / f"{model}.yaml").read_text())["model"]
    stride = given.get("segmentation", {}).get("output_stride")
    changes = {"model.normalization.name": "batch_norm"}  # the stand-in has no other
    theirs = with_weights(
        built(standin, tmp_path, model, changes, output_stride=stride), tmp_path, model
    )
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    assert isinstance(found.module, TaskNetwork)
    with torch.no_grad():
        points, maps = theirs.extract_end_points_all(images), found.module.maps(images)
    for point, value in zip(["out_l4", "out_l5"][-len(maps) :], maps, strict=True):
        assert difference(points[point], value) < 1e-5
    for file in (f"{model}.yaml", f"{model}.py"):
        read = read_architecture(tmp_path / file)
        assert (read.architecture.key, read.task) == (
            NETWORKS[name].key,
            found.task if file.endswith(".yaml") else None,
        )
    assert read_architecture(tmp_path / f"{model}.yaml").settings["num_classes"] == (
        4 if found.task and found.task.kind != "detection" else 3
    )


def test_settings_have_the_names_of_ml_cvnets() -> None:
    for name in ("mobilevit_xxs", "mobilevitv2_050"):
        for text in ("detection", "segmentation"):
            given = set(of(name, text))
            assert given - OPTIONS - set(_NAMES.split()) == {
                "local_mvt_nas_architecture",
                "local_mvt_nas_task",
            }


@pytest.mark.parametrize(("name", "decay"), [("mobilevit_xxs", 0.01), ("mobilevitv2_050", 0.05)])
def test_detectors_are_trained_as_in_the_papers(name: str, decay: float) -> None:
    found = of(name, "detection")
    assert found["image_augmentation.resize.size"] == [320, 320]
    assert found["anchor_generator.ssd.output_strides"] == [16, 32, 64, 128, 256, -1]
    assert found["anchor_generator.ssd.aspect_ratios"] == [[2, 3]] * 5 + [[2]]
    assert [found[f"anchor_generator.ssd.{end}_scale_ratio"] for end in ("min", "max")] == [
        0.1,
        1.05,
    ]
    assert found["model.detection.ssd.proj_channels"] == [512, 256, 256, 128, 128, 64]
    assert [
        found[f"matcher.ssd.{value}"]
        for value in ("center_variance", "size_variance", "iou_threshold")
    ] == [0.1, 0.2, 0.5]
    assert (found["model.detection.ssd.nms_iou_threshold"], found["model.detection.n_classes"]) == (
        0.5,
        81,
    )
    assert (
        found["scheduler.max_epochs"],
        found["scheduler.warmup_iterations"],
        found["optim.weight_decay"],
    ) == (200, 500, decay)
    rates = ("scheduler.warmup_init_lr", "scheduler.cosine.max_lr", "scheduler.cosine.min_lr")
    assert [found[rate] for rate in rates] == [9e-5, 9e-4, 1e-6]
    assert found["dataset.train_batch_size0"] == 32  # on four devices
    assert (found["model.activation.name"], found["model.classification.activation.name"]) == (
        "relu",
        "swish",
    )


@pytest.mark.parametrize(
    ("name", "values"),
    [("mobilevit_xxs", (9e-5, 9e-4, 0.01, 256)), ("mobilevitv2_050", (5e-5, 5e-4, 0.05, 512))],
)
def test_segmenters_are_trained_as_in_the_papers(
    name: str, values: tuple[float, float, float, int]
) -> None:
    found = of(name, "segmentation,rate=6")
    names = (
        "scheduler.warmup_init_lr",
        "scheduler.cosine.max_lr",
        "optim.weight_decay",
        "model.segmentation.deeplabv3.aspp_out_channels",
    )
    assert tuple(found[one] for one in names) == values
    assert found["image_augmentation.resize.size"] == [512, 512]
    sides = [
        found[f"image_augmentation.random_short_size_resize.{one}"]
        for one in ("short_side_min", "short_side_max", "max_img_dim")
    ]
    assert sides == [256, 768, 1024]
    assert found["model.segmentation.deeplabv3.aspp_rates"] == [6, 12, 18]
    assert (
        found["model.segmentation.deeplabv3.aspp_dropout"],
        found["model.segmentation.output_stride"],
    ) == (0.1, 16)
    assert (
        found["scheduler.max_epochs"],
        found["scheduler.cosine.min_lr"],
        found["model.segmentation.n_classes"],
    ) == (50, 1e-6, 21)
    assert (
        found["model.segmentation.activation.name"],
        found["model.classification.activation.name"],
    ) == ("relu", "swish")


def test_other_layouts_are_refused(tmp_path: Path) -> None:
    flat = architecture_with(BLOCKS["v2"], BLOCKS["v2"])
    layout = (
        r"it takes maps of 1/2, 4, 8, 16, 32 of the image from five stages, this backbone has"
        r" 1/2, 4, 8, 16$"
    )
    with pytest.raises(
        ExportError, match=f"^target cvnets cannot express the task detection: {layout}"
    ):
        export(like(flat, DETECTION), "cvnets", tmp_path)
    with pytest.raises(
        ExportError, match=r"segmentation: output_stride = 4 is not one of 8, 16, 32 and more$"
    ):
        export(like(zoo("mobilevit_xxs"), f"{SEGMENTATION},output_stride=4"), "cvnets", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_readme_says_what_to_do(tmp_path: Path) -> None:
    exported = export(like(zoo("mobilevit_xxs"), DETECTION), "cvnets", tmp_path)
    assert (exported.max_abs_diff, exported.params_equal, len(exported.notes)) == (None, None, 1)
    text = (tmp_path / "README.md").read_text()
    assert "The backbone of a network for detection" in text
    assert "cvnets-train --common.config-file mvt_net.yaml" in text
    assert "{" not in text
    damaged = (
        (tmp_path / "mvt_net.yaml").read_text().replace('"num_classes": 3', '"num_classes": -3')
    )
    (tmp_path / "mvt_net.yaml").write_text(damaged)
    with pytest.raises(
        ExportError,
        match=r"mvt_net\.yaml: local_mvt_nas_task: detection\.num_classes = -3 is not allowed",
    ):
        read_architecture(tmp_path / "mvt_net.yaml")
