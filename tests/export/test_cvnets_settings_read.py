"""Settings of ml-cvnets are read, those of published models and changed ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mvt_nas.errors import ExportError
from mvt_nas.export.base import read_architecture
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import zoo
from tests.support.cvnets_settings import flat, write
from tests.support.export_networks import BLOCKS, architecture_with

pytestmark = pytest.mark.slow

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
