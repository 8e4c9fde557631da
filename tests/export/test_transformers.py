"""Folders for transformers: the same network in its classes, and its configurations read."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModelForImageClassification,
    MobileViTConfig,
    MobileViTV2Config,
)

from mvt_nas._optional import silence_output
from mvt_nas.checkpoints import load_checkpoint
from mvt_nas.errors import ExportError
from mvt_nas.export.base import read_architecture
from mvt_nas.export.huggingface.architecture_to_config import configuration_for
from mvt_nas.export.huggingface.config_to_architecture import DEFAULTS
from mvt_nas.export.verification import ExportResult, export
from mvt_nas.models.network import build_model
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published_names, zoo
from tests.support.export_networks import (
    BLOCKS,
    NUM_CLASSES,
    architecture_with,
    architectures,
    difference,
    images,
    random_export_model,
    shuffle,
)

pytestmark = pytest.mark.slow

ARCHITECTURES = architectures()
PACKAGED = (
    "v1",
    "v2",
    "v3 on v1",
    "v3 on v2",
    "mixed norms",
    "mixed attention",
    "all convolutions",
    "seven stages",
    "random 0",
    "random 3",
)
NATIVE = ("mobilevit_xxs", "mobilevitv2_050")
# What apple publishes, where it differs from the library's defaults.
APPLE: dict[str, dict[str, Any]] = {
    "mobilevit_s": {"model_type": "mobilevit"},
    "mobilevit_xs": {
        "model_type": "mobilevit",
        "hidden_sizes": [96, 120, 144],
        "neck_hidden_sizes": [16, 32, 48, 64, 80, 96, 384],
    },
    "mobilevit_xxs": {
        "model_type": "mobilevit",
        "hidden_sizes": [64, 80, 96],
        "neck_hidden_sizes": [16, 16, 24, 48, 64, 80, 320],
        "hidden_dropout_prob": 0.05,
        "expand_ratio": 2.0,
    },
    "mobilevitv2_100": {
        "architectures": ["MobileViTV2ForImageClassification"],
        "aspp_dropout_prob": 0.1,
        "base_attn_unit_dims": [128, 192, 256],
        "conv_kernel_size": 3,
        "expand_ratio": 2.0,
        "ffn_multiplier": 2,
        "hidden_act": "swish",
        "image_size": 256,
        "mlp_ratio": 2.0,
        "model_type": "mobilevitv2",
        "n_attn_blocks": [2, 4, 3],
        "num_channels": 3,
        "output_stride": 32,
        "patch_size": 2,
        "width_multiplier": 1.0,
    },
    **{
        f"mobilevitv2_{p:03}": {"model_type": "mobilevitv2", "width_multiplier": p / 100}
        for p in (50, 75, 125, 150, 175, 200)
    },
}


@pytest.fixture(autouse=True, scope="module")
def own_cache_of_code(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let transformers copy the code of packages into a folder of these tests."""
    folder = str(tmp_path_factory.mktemp("modules"))
    forget_copied_code()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", folder)
        patch.syspath_prepend(folder)
        yield
    forget_copied_code()


def forget_copied_code() -> None:
    """Remove the modules of packages that any test of this process has loaded."""
    for name in [name for name in sys.modules if name.startswith("transformers_modules")]:
        del sys.modules[name]


def loaded(folder: Path) -> Any:
    with silence_output():
        return AutoModelForImageClassification.from_pretrained(
            folder, trust_remote_code=True
        ).eval()


def exported(architecture: Architecture, folder: Path) -> tuple[ExportResult, Any]:
    """Return what the export says, and our network with the weights that it wrote."""
    model = random_export_model(architecture)
    done = export(model, "transformers", folder)
    assert done.params_equal
    assert done.max_abs_diff is not None
    assert done.max_abs_diff <= 1e-5 * done.largest
    return done, model.module


def compare(folder: Path, ours: Any, architecture: Architecture) -> Any:
    theirs, x = loaded(folder), torch.from_numpy(images(architecture))
    assert sum(weight.numel() for weight in theirs.parameters()) == sum(
        weight.numel() for weight in ours.parameters()
    )
    with torch.inference_mode():
        assert difference(theirs(pixel_values=x).logits, ours(x)) < 1e-5
        assert (
            difference(theirs.double()(pixel_values=x.double()).logits, ours.double()(x.double()))
            < 1e-10
        )
    return theirs


@pytest.mark.parametrize("name", NATIVE)
def test_published_models_become_transformers_own(name: str, tmp_path: Path) -> None:
    architecture = replace(zoo(name), resolution_px=64 if name == "mobilevit_xxs" else 128)
    done, ours = exported(architecture, tmp_path)
    assert [file.name for file in done.files] == [
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
    theirs = compare(tmp_path, ours, architecture)
    assert type(theirs).__module__.startswith("transformers.models.mobilevit")
    assert read_architecture(tmp_path / "config.json").architecture.key == architecture.key
    assert read_architecture(tmp_path).settings == {"num_classes": NUM_CLASSES}


@pytest.mark.parametrize("what", PACKAGED)
def test_other_networks_become_a_package_with_their_code(what: str, tmp_path: Path) -> None:
    architecture = ARCHITECTURES[what]
    done, ours = exported(architecture, tmp_path)
    assert [file.name for file in done.files][3:] == ["configuration_mvt.py", "modeling_mvt.py"]
    assert "trust_remote_code=True" in done.notes[0]
    theirs = compare(tmp_path, ours, architecture)
    assert type(theirs).__name__ == "MvtForImageClassification"
    for path in (tmp_path, tmp_path / "config.json", tmp_path / "modeling_mvt.py"):
        assert read_architecture(path).architecture.key == architecture.key


def test_a_package_trains_and_is_saved_and_read_again(tmp_path: Path) -> None:
    architecture = architecture_with(BLOCKS["v3 on v2"])
    exported(architecture, tmp_path / "out")
    model = loaded(tmp_path / "out").train()
    result = model(pixel_values=torch.from_numpy(images(architecture)), labels=torch.tensor([0, 3]))
    assert torch.allclose(
        result.loss, torch.nn.functional.cross_entropy(result.logits, torch.tensor([0, 3]))
    )
    result.loss.backward()
    assert all(weight.grad is not None for weight in model.parameters())
    shuffle(model)
    with silence_output():
        model.save_pretrained(tmp_path / "saved")
    again, x = loaded(tmp_path / "saved"), torch.from_numpy(images(architecture))
    ours = build_model(architecture, num_classes=NUM_CLASSES, seed=3).eval()
    assert load_checkpoint(ours, tmp_path / "saved" / "model.safetensors") == "mvt-nas"
    with torch.inference_mode():
        assert torch.equal(again(x).logits, model.eval()(x, return_dict=False)[0])
        assert difference(again(x).logits, ours(x)) < 1e-5
    assert read_architecture(tmp_path / "saved").architecture == architecture


def test_a_new_model_of_a_package_begins_with_the_papers_weights(tmp_path: Path) -> None:
    _, ours = exported(architecture_with(BLOCKS["v1"]), tmp_path)
    with silence_output(), torch.random.fork_rng():
        torch.manual_seed(0)
        config = AutoConfig.from_pretrained(tmp_path, trust_remote_code=True, num_labels=30)
        new = AutoModelForImageClassification.from_config(config, trust_remote_code=True).model
        options = {"num_labels": 30, "ignore_mismatched_sizes": True, "trust_remote_code": True}
        tuned = AutoModelForImageClassification.from_pretrained(tmp_path, **options).model
    for model in (new, tuned):
        assert model.classifier.weight.shape == (30, 24)
        assert float(model.classifier.weight.detach().std()) == pytest.approx(0.02, rel=0.1)
    assert torch.equal(new.head_conv[1].weight, torch.ones(24))
    assert torch.equal(tuned.head_conv[1].weight, ours.head_conv[1].weight)


def test_images_are_preprocessed_as_by_the_authors(tmp_path: Path) -> None:
    architecture = architecture_with(BLOCKS["v1"], resolution_px=64)
    exported(architecture, tmp_path)
    with silence_output():
        processor = AutoImageProcessor.from_pretrained(tmp_path, trust_remote_code=True)
    colours = np.zeros((100, 200, 3), np.uint8)
    colours[..., 0], colours[..., 1] = 255, 51
    colours[:10] = 255  # cut away: a 64th of 72 pixels on each side
    colours[:, 60:140, 2] = 102
    pixels = processor(Image.fromarray(colours), return_tensors="np")["pixel_values"][0]
    assert pixels.shape == (3, 64, 64)
    assert pixels[:, 32, 32] == pytest.approx([1.0, 0.2, 0.4], abs=0.01)  # red first, in [0, 1]


# What transformers' own classes cannot


def _changed(name: str, stage: int, **changes: object) -> Architecture:
    architecture = zoo(name)
    stages = list(architecture.stages)
    fields = {key: value for key, value in changes.items() if hasattr(stages[stage], key)}
    inside: dict[str, Any] = {key: value for key, value in changes.items() if key not in fields}
    block: Any = stages[stage].block
    stages[stage] = replace(
        stages[stage], **fields, **({"block": replace(block, **inside)} if inside else {})
    )
    return replace(architecture, stages=tuple(stages))


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        (_changed("mobilevit_s", 2, heads=2), "heads = 4 in stage 4"),
        (_changed("mobilevit_s", 4, ffn_dim=300), "ffn_dim = 300 in stage 5"),
        (_changed("mobilevit_s", 3, transformer_depth=2), "transformer_depth = 2 in stage 4"),
        (_changed("mobilevit_s", 3, expansion=2.0), "expansion = 2.0 in stage 4"),
        (_changed("mobilevit_s", 1, depth=2), "depth = 2 in stage 2"),
        (_changed("mobilevit_s", 4, residual=True), "residual = True in stage 5"),
        (_changed("mobilevit_s", 4, align_corners=True), "align_corners = True in stage 5"),
        (replace(zoo("mobilevit_s"), head_width=None), "a head without the first convolution"),
        (zoo("mobilevitv3_s"), "local_conv = depthwise in stage 3"),
        (zoo("mobilevitv3_100"), "fusion = local in stage 3"),
        (_changed("mobilevitv2_100", 4, width=552), "stages of 64, 128, 256, 384, 552 channels"),
        (_changed("mobilevitv2_100", 2, dim=132, ffn_dim=264), "dim = 132 in stage 3"),
        (replace(zoo("mobilevitv2_100"), stem_width=40), "stem_width = 40"),
        (
            replace(zoo("mobilevitv2_100"), resolution_px=224),
            "maps of 7 x 7 in stage 5, patches of 2",
        ),
        (
            replace(zoo("mobilevit_s"), stages=zoo("mobilevit_s").stages[:4]),
            "4 stages with 2 blocks",
        ),
        (
            _changed("mobilevit_s", 0, expansion=1.0),
            "inverted residuals without the first convolution",
        ),
    ],
)
def test_what_its_classes_cannot_express_is_said(architecture: Architecture, reason: str) -> None:
    configuration, found = configuration_for(architecture)
    assert configuration is None
    assert found.startswith(reason)


@pytest.mark.parametrize("name", [name for name in published_names() if "v3" not in name])
def test_published_models_have_configurations(name: str) -> None:
    configuration, _ = configuration_for(zoo(name))
    assert configuration is not None
    assert {key: configuration[key] for key in APPLE[name] if key in configuration} == {
        key: value for key, value in APPLE[name].items() if key in configuration
    }


def test_one_ratio_for_all_feed_forward_channels_is_found() -> None:
    architecture = zoo("mobilevit_s")
    for stage, ffn_dim in ((2, 201), (3, 268), (4, 335)):
        block: Any = architecture.stages[stage].block
        stages = list(architecture.stages)
        stages[stage] = replace(stages[stage], block=replace(block, ffn_dim=ffn_dim))
        architecture = replace(architecture, stages=tuple(stages))
    configuration, _ = configuration_for(architecture)
    assert configuration is not None
    assert [int(dim * configuration["mlp_ratio"]) for dim in (144, 192, 240)] == [201, 268, 335]


# Reading


@pytest.mark.parametrize("name", APPLE)
def test_apples_configurations_are_the_published_models(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(APPLE[name]))
    assert read_architecture(tmp_path / "config.json").architecture.key == zoo(name).key


def test_defaults_are_those_of_the_library() -> None:
    for config, kind in ((MobileViTConfig(), "mobilevit"), (MobileViTV2Config(), "mobilevitv2")):
        theirs = {name: getattr(config, name) for name in DEFAULTS[kind]}
        assert {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in theirs.items()
        } == DEFAULTS[kind]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"hidden_act": "gelu"},
            "config.json: hidden_act = 'gelu' is not allowed; 'silu' or 'swish'",
        ),
        ({"output_stride": 16}, "output_stride = 16 is not allowed; 32"),
        ({"qkv_bias": False}, "qkv_bias = False is not allowed; True"),
        (
            {"image_size": [256, 224]},
            r"image_size = \[256, 224\] is not allowed; one integer, or twice the same",
        ),
        (
            {"hidden_sizes": [144, 192]},
            r"hidden_sizes = \[144, 192\] is not allowed; a list of 3 integers",
        ),
        (
            {"num_attention_heads": 5},
            "config.json: block mobilevit: dim = 144, heads = 5, but dim % heads == 0 must hold",
        ),
        (
            {"expand_ratio": 1},
            "expand_ratio = 1 still has an expanding convolution in transformers, here it has none",
        ),
        ({"mlp_ratio": None}, "mlp_ratio = None is not allowed; a number above 0"),
        (
            {"model_type": "mvt_nas"},
            "config.json: architecture: a mapping of names to values is expected, not NoneType",
        ),
        ({"model_type": "vit"}, "of no known format"),
    ],
)
def test_configurations_that_cannot_be_read_are_told_of(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(APPLE["mobilevit_s"] | changes))
    with pytest.raises(ExportError, match=message):
        read_architecture(tmp_path / "config.json")


def test_an_image_size_of_two_equal_sides_is_one(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps(APPLE["mobilevit_s"] | {"image_size": [192, 192], "num_channels": 1})
    )
    found = read_architecture(tmp_path)
    assert found.architecture == replace(zoo("mobilevit_s"), resolution_px=192)
    assert found.settings == {"in_channels": 1}
