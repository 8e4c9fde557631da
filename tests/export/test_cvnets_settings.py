"""Settings for ml-cvnets: exported ones are the papers'."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from mvt_nas.export.cvnets.yaml_file import settings
from mvt_nas.space.architecture import Architecture
from tests.support.cvnets_settings import OPTIONS, flat, write
from tests.support.export_networks import (
    BLOCKS,
    NUM_CLASSES,
    architecture_with,
    random_export_model,
)

pytestmark = pytest.mark.slow


def of(nearest: str, architecture: Architecture | None = None) -> dict[str, Any]:
    model = random_export_model(architecture or architecture_with(BLOCKS["v1"], BLOCKS["v2"]))
    return settings(replace(model, nearest=nearest), "mvt_x")


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
