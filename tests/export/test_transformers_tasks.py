"""Segmenters for transformers: the same logits in its classes, and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForSemanticSegmentation, MobileViTConfig, MobileViTV2Config

from mvt_nas.errors import ExportError
from mvt_nas.export.base import ExportModel, read_architecture
from mvt_nas.export.verification import export
from mvt_nas.models.lowering import fitted
from mvt_nas.space.published import zoo
from mvt_nas.tasks.base import task_from_text
from tests.support.export_networks import BLOCKS, architecture_with, realistic_export_model

pytestmark = pytest.mark.slow

TEXT = "segmentation,num_classes=4,resolution_px=128"


def like(name: str, text: str) -> ExportModel:
    return realistic_export_model("net", zoo(name), task=text)


@pytest.mark.parametrize(
    ("name", "text", "cls"),
    [
        ("mobilevit_xxs", TEXT, "MobileViTForSemanticSegmentation"),
        (
            "mobilevit_xxs",
            f"{TEXT},output_stride=8,pyramid_width=24,rate=2",
            "MobileViTForSemanticSegmentation",
        ),
        ("mobilevit_xs", f"{TEXT},output_stride=32", "MobileViTForSemanticSegmentation"),
        ("mobilevitv2_050", f"{TEXT},output_stride=32", "MobileViTV2ForSemanticSegmentation"),
    ],
)
def test_segmenters_are_those_of_transformers(
    name: str, text: str, cls: str, tmp_path: Path
) -> None:
    found = like(name, text)
    exported = export(found, "transformers", tmp_path)
    assert (exported.same, exported.params_equal, exported.batches) == (True, True, (1, 3))
    model = AutoModelForSemanticSegmentation.from_pretrained(tmp_path).eval()
    assert type(model).__name__ == cls
    images = torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits, expected = model(pixel_values=images).logits, found.module(images)
    assert logits.shape[2] == 128 // (found.task.output_stride if found.task else 0)
    whole = functional.interpolate(logits, size=(128, 128), mode="bilinear", align_corners=True)
    torch.testing.assert_close(whole, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))
    read = read_architecture(tmp_path / "config.json")
    assert read.architecture.key == found.architecture.key
    assert read.settings == {"num_classes": 4}
    assert read.task == found.task


def test_what_transformers_cannot_express_is_refused(tmp_path: Path) -> None:
    strides = (
        "target transformers cannot express the network: output_stride = 16, not 32; MobileViTV2"
        " there does not dilate"
    )
    with pytest.raises(ExportError, match=f"^{strides}"):
        export(like("mobilevitv2_050", TEXT), "transformers", tmp_path)
    with pytest.raises(ExportError, match=r"output_stride = 4, not 8, 16, 32$"):
        export(like("mobilevit_xxs", f"{TEXT},output_stride=4"), "transformers", tmp_path)
    with pytest.raises(
        ExportError,
        match=r"^target transformers cannot express the network: 3 stages with 1 blocks, where",
    ):
        export(
            realistic_export_model("net", architecture_with(BLOCKS["v1"]), task=TEXT),
            "transformers",
            tmp_path,
        )
    with pytest.raises(
        ExportError,
        match=(
            r"^target transformers takes no networks for detection: transformers has"
            r" classifiers and"
        ),
    ):
        export(like("mobilevit_xxs", "detection,resolution_px=128"), "transformers", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("config", [MobileViTConfig, MobileViTV2Config])
def test_configurations_of_segmenters_are_read(config: type, tmp_path: Path) -> None:
    first = config is MobileViTConfig
    made = config(num_labels=21, image_size=512, output_stride=16 if first else 32)
    made.architectures = [
        "MobileViTForSemanticSegmentation" if first else "MobileViTV2ForSemanticSegmentation"
    ]
    made.save_pretrained(tmp_path)
    found = read_architecture(tmp_path)
    task = task_from_text("segmentation" if first else "segmentation,output_stride=32")
    assert found.task == task
    assert task is not None
    assert getattr(fitted(task, found.architecture), "pyramid_width", 0) == (256 if first else 512)
    assert found.architecture.resolution_px == 512


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"output_stride": 4}, r"config\.json: output_stride = 4 is not allowed; 8, 16, 32"),
        (
            {"atrous_rates": [6, 12, 17]},
            (
                r"config\.json: atrous_rates = \[6, 12, 17\] is not allowed; a number, twice and"
                r" thrice it"
            ),
        ),
        ({"atrous_rates": []}, r"config\.json: atrous_rates = \[\] is not allowed"),
        ({"atrous_rates": [0, 0, 0]}, r"config\.json: task segmentation\.rate = 0 is not allowed"),
        (
            {"aspp_out_channels": "many"},
            r"config\.json: task segmentation\.pyramid_width = 'many' is not allowed",
        ),
        ({"mvt_nas_backbone_image_size": -4}, r"architecture\.resolution_px = -4 is not allowed"),
    ],
)
def test_a_damaged_configuration_is_one_line(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    made = MobileViTConfig(num_labels=21, image_size=512, output_stride=16)
    made.architectures = ["MobileViTForSemanticSegmentation"]
    made.save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ExportError, match=message) as caught:
        read_architecture(file)
    assert "\n" not in str(caught.value)
