"""Settings for ml-cvnets: exported ones are the papers', and published ones are read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from mvt_nas.errors import ExportError
from mvt_nas.export.base import TARGETS, read_architecture
from mvt_nas.export.cvnets.yaml_file import settings
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import zoo
from tests.support.export_networks import (
    BLOCKS,
    NUM_CLASSES,
    architecture_with,
    random_export_model,
)

pytestmark = pytest.mark.slow

# Names of options in ml-cvnets' tag cvnets-v0.4, of those that exported settings give.
_NAMES = """
taskname common.run_label common.log_freq common.auto_resume common.mixed_precision
common.grad_clip dataset.root_train dataset.root_val dataset.name dataset.category
dataset.train_batch_size0 dataset.val_batch_size0 dataset.eval_batch_size0 dataset.workers
dataset.persistent_workers dataset.pin_memory image_augmentation.random_resized_crop.enable
image_augmentation.random_resized_crop.interpolation
image_augmentation.random_horizontal_flip.enable image_augmentation.rand_augment.enable
image_augmentation.random_erase.enable image_augmentation.random_erase.p
image_augmentation.mixup.enable image_augmentation.mixup.alpha image_augmentation.cutmix.enable
image_augmentation.cutmix.alpha image_augmentation.resize.enable image_augmentation.resize.size
image_augmentation.resize.interpolation image_augmentation.center_crop.enable
image_augmentation.center_crop.size sampler.name sampler.bs.crop_size_width
sampler.bs.crop_size_height sampler.vbs.crop_size_width sampler.vbs.crop_size_height
sampler.vbs.max_n_scales sampler.vbs.min_crop_size_width sampler.vbs.max_crop_size_width
sampler.vbs.min_crop_size_height sampler.vbs.max_crop_size_height sampler.vbs.check_scale
loss.category loss.classification.name loss.classification.cross_entropy.label_smoothing
optim.name optim.weight_decay optim.no_decay_bn_filter_bias optim.adamw.beta1 optim.adamw.beta2
scheduler.name scheduler.is_iteration_based scheduler.max_epochs scheduler.warmup_iterations
scheduler.warmup_init_lr scheduler.cosine.max_lr scheduler.cosine.min_lr model.classification.name
model.classification.n_classes model.classification.classifier_dropout
model.classification.mit.dropout model.classification.mit.ffn_dropout
model.classification.mit.attn_dropout model.classification.mitv2.dropout
model.classification.mitv2.ffn_dropout model.classification.mitv2.attn_dropout
model.classification.activation.name model.normalization.name model.normalization.momentum
model.activation.name model.layer.global_pool model.layer.conv_init model.layer.linear_init
model.layer.linear_init_std_dev ema.enable ema.momentum stats.val stats.train
stats.checkpoint_metric stats.checkpoint_metric_max
"""
OPTIONS = set(_NAMES.split())


def write(nearest: str, folder: Path) -> str:
    """Export into a folder as where ml-cvnets is missing, and return the model's name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mvt_nas.export.targets.cvnets.installed", lambda name: False)
        TARGETS.get("cvnets").write(
            random_export_model(architecture_with(BLOCKS["v1"]), nearest=nearest), folder
        )
    return "mvt_found_7"


def of(nearest: str, architecture: Architecture | None = None) -> dict[str, Any]:
    model = random_export_model(architecture or architecture_with(BLOCKS["v1"], BLOCKS["v2"]))
    return settings(replace(model, nearest=nearest), "mvt_x")


def flat(data: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in data.items():
        found |= (
            flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
        )
    return found


@pytest.mark.parametrize(
    "nearest", ["mobilevit_s", "mobilevitv2_100", "mobilevitv3_xxs_l2", "mobilevitv3_075"]
)
def test_settings_have_the_names_of_ml_cvnets(nearest: str, tmp_path: Path) -> None:
    given = set(flat(of(nearest)))
    assert given - OPTIONS == {"local_mvt_nas_architecture"}
    write(nearest, tmp_path)
    text = (tmp_path / "mvt_found_7.yaml").read_text()
    assert set(flat(yaml.safe_load(text))) <= given
    assert (
        yaml.safe_load(text)["scheduler"]["cosine"]["max_lr"]
        == of(nearest)["scheduler"]["cosine"]["max_lr"]
    )


@pytest.mark.parametrize(
    ("nearest", "values"),
    [
        (
            "mobilevit_xxs",
            {
                "batch": 128,
                "decay": 0.01,
                "lr": (2e-4, 2e-3, 2e-4),
                "warmup": 3000,
                "dropout": 0.05,
                "clip": None,
            },
        ),
        (
            "mobilevit_s",
            {
                "batch": 128,
                "decay": 0.01,
                "lr": (2e-4, 2e-3, 2e-4),
                "warmup": 3000,
                "dropout": 0.1,
                "clip": None,
            },
        ),
        (
            "mobilevitv2_050",
            {
                "batch": 128,
                "decay": 0.004,
                "lr": (1e-6, 9e-3, 9e-4),
                "warmup": 20000,
                "dropout": 0.0,
                "clip": 10,
            },
        ),
        (
            "mobilevitv2_200",
            {
                "batch": 128,
                "decay": 0.05,
                "lr": (1e-6, 2e-3, 2e-4),
                "warmup": 20000,
                "dropout": 0.0,
                "clip": 10,
            },
        ),
        (
            "mobilevitv3_xxs",
            {
                "batch": 64,
                "decay": 0.01,
                "lr": (2e-4, 2e-3, 2e-4),
                "warmup": 3000,
                "dropout": 0.05,
                "clip": None,
            },
        ),
        (
            "mobilevitv3_s_l2",
            {
                "batch": 32,
                "decay": 0.01,
                "lr": (2e-4, 2e-3, 2e-4),
                "warmup": 3000,
                "dropout": 0.1,
                "clip": None,
            },
        ),
        (
            "mobilevitv3_100",
            {
                "batch": 85,
                "decay": 0.05,
                "lr": (1e-6, 2e-3, 2e-4),
                "warmup": 20000,
                "dropout": 0.0,
                "clip": 10,
            },
        ),
    ],
)
def test_the_recipe_is_that_of_the_nearest_published_model(
    nearest: str, values: dict[str, Any]
) -> None:
    found = of(nearest)
    schedule = found["scheduler"]
    assert {
        "batch": found["dataset"]["train_batch_size0"],
        "decay": found["optim"]["weight_decay"],
        "lr": (
            schedule["warmup_init_lr"],
            schedule["cosine"]["max_lr"],
            pytest.approx(schedule["cosine"]["min_lr"]),
        ),
        "warmup": schedule["warmup_iterations"],
        "dropout": found["model"]["classification"]["mit"]["dropout"],
        "clip": found["common"].get("grad_clip"),
    } == values
    second = nearest.rpartition("_")[2].isdigit()
    assert found["sampler"]["name"] == ("batch_sampler" if second else "variable_batch_sampler")
    assert (
        found["optim"]["no_decay_bn_filter_bias"]
        == second
        == ("mixup" in found["image_augmentation"])
    )
    assert found["image_augmentation"]["resize"]["interpolation"] == (
        "bicubic" if second else "bilinear"
    )


def test_sizes_follow_the_resolution() -> None:
    published = flat(of("mobilevit_s", replace(architecture_with(BLOCKS["v1"]), resolution_px=256)))
    names = (
        "image_augmentation.resize.size",
        "image_augmentation.center_crop.size",
        "sampler.vbs.crop_size_width",
    )
    ends = ("sampler.vbs.min_crop_size_height", "sampler.vbs.max_crop_size_width")
    assert [published[name] for name in (*names, *ends)] == [
        288,
        256,
        256,
        160,
        320,
    ]  # as in the published settings
    smaller = flat(of("mobilevit_s", replace(architecture_with(BLOCKS["v1"]), resolution_px=192)))
    assert [smaller[name] for name in (*names, *ends)] == [216, 192, 192, 128, 256]
    assert smaller["model.classification.n_classes"] == NUM_CLASSES


def test_the_readme_says_what_to_do(tmp_path: Path) -> None:
    write("mobilevit_s", tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert 'cp mvt_found_7.py "$ML_CVNETS/cvnets/models/classification/"' in text
    assert (
        "cvnets-train --common.config-file mvt_found_7.yaml --common.results-loc"
        " results/mvt_found_7" in text
    )
    assert "random weights" in text


# Stock settings


STOCK: dict[str, Any] = {
    "dataset": {"name": "imagenet", "category": "classification"},
    "sampler": {
        "name": "variable_batch_sampler",
        "vbs": {"crop_size_width": 256, "crop_size_height": 256},
    },
    "model": {
        "classification": {
            "name": "mobilevit",
            "classifier_dropout": 0.1,
            "mit": {
                "mode": "small",
                "ffn_dropout": 0.0,
                "attn_dropout": 0.0,
                "dropout": 0.1,
                "number_heads": 4,
                "no_fuse_local_global_features": False,
                "conv_kernel_size": 3,
            },
            "activation": {"name": "swish"},
        },
        "normalization": {"name": "batch_norm", "momentum": 0.1},
        "activation": {"name": "swish"},
        "layer": {"global_pool": "mean"},
    },
}


def stock(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of MobileViT-S with changes, by full names; ``None`` removes one."""
    found = flat(STOCK) | changes
    return {name: value for name, value in found.items() if value is not None}


def read(data: dict[str, Any], folder: Path) -> Architecture:
    (folder / "stock.yaml").write_text(yaml.safe_dump(data))
    return read_architecture(folder / "stock.yaml").architecture


C = "model.classification"
SECOND = {
    f"{C}.name": "mobilevit_v2",
    "sampler.name": "batch_sampler",
    "sampler.bs.crop_size_width": 256,
}
FORK = {f"{C}.name": "mobilevit_v3", f"{C}.mit.mode": None}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "mobilevit_s"),
        ({f"{C}.mit.mode": "x_small"}, "mobilevit_xs"),
        (
            {f"{C}.mit.mode": "xx_small", "model.normalization.name": "batch_norm_2d"},
            "mobilevit_xxs",
        ),
        ({f"{C}.mit.mode": None, f"{C}.mit.number_heads": None}, "mobilevit_s"),
        *(
            (SECOND | {f"{C}.mitv2.width_multiplier": percent / 100}, f"mobilevitv2_{percent:03}")
            for percent in range(50, 201, 25)
        ),
        (SECOND, "mobilevitv2_100"),
        (FORK | {f"{C}.mit.mode": "xx_small_v3"}, "mobilevitv3_xxs"),
        (FORK | {f"{C}.mit.mode": "x_small_v3_fast"}, "mobilevitv3_xs_l2"),
        (FORK, "mobilevitv3_s"),
        *(
            (FORK | {f"{C}.mitv3.width_multiplier": percent / 100}, f"mobilevitv3_{percent:03}")
            for percent in (50, 75, 100)
        ),
    ],
)
def test_stock_settings_are_the_published_models(
    changes: dict[str, Any], name: str, tmp_path: Path
) -> None:
    assert read(stock(changes), tmp_path).key == zoo(name).key


def test_nested_settings_are_read_like_joined_ones(tmp_path: Path) -> None:
    assert read(STOCK, tmp_path) == zoo("mobilevit_s")
    found = read_architecture(tmp_path)  # the folder
    assert (found.architecture, found.settings) == (zoo("mobilevit_s"), {"model": "mobilevit"})


def blocks(architecture: Architecture) -> list[Any]:
    return [stage.block for stage in architecture.stages[2:]]


def test_what_stock_settings_change_is_changed(tmp_path: Path) -> None:
    changed = {
        f"{C}.mit.number_heads": None,
        f"{C}.mit.head_dim": 24,
        f"{C}.mit.conv_kernel_size": 5,
    }
    architecture = read(
        stock(changed | {"sampler.vbs.crop_size_width": 192, "sampler.vbs.crop_size_height": 192}),
        tmp_path,
    )
    assert architecture.resolution_px == 192
    assert [block.heads for block in blocks(architecture)] == [6, 8, 10]
    assert {(block.local_kernel, block.fusion_kernel) for block in blocks(architecture)} == {(5, 5)}
    unfused = blocks(read(stock({f"{C}.mit.no_fuse_local_global_features": True}), tmp_path))
    assert {(block.fusion, block.projection, block.residual) for block in unfused} == {
        ("none", "silu", False)
    }
    third = blocks(read(stock(FORK | {f"{C}.mit.conv_kernel_size": 7}), tmp_path))
    assert {(block.local_kernel, block.fusion_kernel) for block in third} == {(7, 1)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {f"{C}.name": "resnet"},
            (
                r"stock.yaml: model.classification.name = 'resnet', whose layers are in a Python"
                r" file of ml-cvnets"
            ),
        ),
        (
            {f"{C}.mit.mode": "huge"},
            r"mit.mode = 'huge' is not known for mobilevit; one of xx_small, x_small, small",
        ),
        (
            {f"{C}.mit.head_dim": 24},
            r"mit.head_dim = 24 and number_heads = 4; ml-cvnets allows one of them",
        ),
        (
            {f"{C}.mit.number_heads": None, f"{C}.mit.head_dim": 7},
            r"mit.head_dim = 7; a divisor of 144, 192, 240",
        ),
        (
            {f"{C}.mit.number_heads": 5},
            r"stock.yaml: block mobilevit: dim = 144, heads = 5, but dim % heads == 0 must hold",
        ),
        ({f"{C}.mit.number_heads": "4"}, r"mit.number_heads = '4' is not allowed; an integer"),
        (
            {f"{C}.mit.conv_kernel_size": 4},
            (
                r"stock.yaml: block mobilevit.local_kernel = 4 is not allowed; an odd integer from"
                r" 1 to 15"
            ),
        ),
        (
            {f"{C}.activation.name": None, "model.activation.name": None},
            r"activation.name is not given, and ml-cvnets' default is relu",
        ),
        ({f"{C}.activation.name": "gelu"}, r"activation.name is 'gelu'; swish is allowed"),
        (
            {"model.normalization.name": "group_norm"},
            r"model.normalization.name = 'group_norm' is not allowed; batch_norm",
        ),
        (
            {"model.layer.global_pool": "rms"},
            r"model.layer.global_pool = 'rms' is not allowed; mean",
        ),
        (
            {"dataset.category": "segmentation"},
            r"dataset.category = 'segmentation' is not allowed; classification",
        ),
        (
            {"sampler.vbs.crop_size_width": 320},
            (
                r"vbs.crop_size_height = 256, but sampler.vbs.crop_size_width = 320; images have to"
                r" be sq"
            ),
        ),
        (
            SECOND | {f"{C}.mitv2.width_multiplier": "wide"},
            r"mitv2.width_multiplier = 'wide' is not allowed; a number above 0",
        ),
        (
            SECOND | {f"{C}.mitv2.width_multiplier": float("nan")},
            r"width_multiplier = nan is not allowed",
        ),
        (
            SECOND | {f"{C}.mitv2.attn_norm_layer": "layer_norm"},
            r"mitv2.attn_norm_layer = 'layer_norm' is not allowed; layer_norm_2d",
        ),
        (
            {"local_mvt_nas_architecture": '{"stages": ['},
            r"stock.yaml: local_mvt_nas_architecture: not JSON",
        ),
    ],
)
def test_settings_that_cannot_be_read_are_told_of(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=message):
        read(stock(changes), tmp_path)


def test_the_model_file_stands_in_for_a_lost_architecture(tmp_path: Path) -> None:
    name = write("mobilevit_s", tmp_path)
    path = tmp_path / f"{name}.yaml"
    lines = [
        line
        for line in path.read_text().splitlines()
        if not line.startswith("local_mvt_nas_architecture:")
    ]
    path.write_text("\n".join(lines))
    assert read_architecture(path).architecture == architecture_with(BLOCKS["v1"])
    (tmp_path / f"{name}.py").unlink()
    with pytest.raises(
        ExportError,
        match=(
            f"one of mobilevit, mobilevit_v2, mobilevit_v3, or with {name}.py of mvt-nas next to it"
        ),
    ):
        read_architecture(path)


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    trace, path = tmp_path / "trace", tmp_path / "evil.yaml"
    path.write_text(
        "model: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path"
        f" ['{trace}']]\n"
    )
    with pytest.raises(ExportError, match=r"evil.yaml: not valid YAML in line 1"):
        read_architecture(path)
    model = tmp_path / f"{write('mobilevit_s', tmp_path)}.py"
    model.write_text(f"__import__('pathlib').Path({str(trace)!r}).touch()\n{model.read_text()}")
    assert read_architecture(model).architecture == architecture_with(BLOCKS["v1"])
    assert not trace.exists()


@pytest.mark.parametrize(
    "text",
    ["stem: {width: 16}\nstages: []\n", "just words\n", "model: {detection: {name: ssd}}\n", ""],
)
def test_other_yaml_is_left_to_other_readers(text: str, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(text)
    with pytest.raises(ExportError, match="of no known format"):
        read_architecture(tmp_path / "other.yaml")
