"""Configurations of trainings: written, read, and refused with file and key."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from mvt_nas._fields import specs
from mvt_nas.errors import TrainingError
from mvt_nas.space.published import zoo
from mvt_nas.training.config import StartedTraining, TrainingConfig
from mvt_nas.training.presets import preset
from mvt_nas.training.recipe import Recipe


def config(**changes: Any) -> TrainingConfig:
    recipe = preset("v2", "mobilevitv2_050", 256)
    values: dict[str, Any] = {
        "name": "x",
        "nearest": "mobilevitv2_050",
        "num_classes": 7,
        "weights": None,
        "recipe": recipe,
    }
    return TrainingConfig(**(values | {"architecture": zoo("mobilevitv2_050")} | changes))


def written(path: Path, value: TrainingConfig) -> Path:
    path.write_text(value.to_yaml(path), encoding="utf-8")
    return path


def test_configurations_survive_being_written_down(tmp_path: Path) -> None:
    training = StartedTraining(
        data="digits",
        validation_share=0.25,
        seed=3,
        threads=2,
        weights=None,
        warm_start="/a b",
        class_names=("ä", "no", "1"),
    )
    value = config(training=training, weights=tmp_path / "w.pt")
    found = TrainingConfig.load(written(tmp_path / "c.yaml", value))
    assert found == value
    assert found.architecture.key == zoo("mobilevitv2_050").key
    assert "weights: w.pt\n" in (tmp_path / "c.yaml").read_text()


def test_a_configuration_states_every_value(tmp_path: Path) -> None:
    data = yaml.safe_load(written(tmp_path / "c.yaml", config()).read_text())
    active = {
        group: {
            name for name, spec in specs(type(getattr(Recipe(), group))).items() if not spec.when
        }
        for group in data["recipe"]
    }
    assert {group: set(values) for group, values in data["recipe"].items()} == active
    assert set(active) == {field.name for field in dataclasses.fields(Recipe)} - {
        "detection",
        "segmentation",
    }


TORN: list[tuple[dict[str, Any], str]] = [
    ({"mvt_nas_trainer": 2}, r"c.yaml: mvt_nas_trainer = 2 is not known; this version reads 1$"),
    (
        {"receipt": {}},
        r"c.yaml: unknown key 'receipt'; did you mean 'recipe'\? \(known: mvt_nas_trainer, name",
    ),
    ({"recipe": None}, r"c.yaml: recipe is missing$"),
    (
        {"name": "a b"},
        r"c.yaml: name = 'a b' is not allowed; letters, digits and underscores, no digit first$",
    ),
    (
        {"nearest": "mobilevit_l"},
        r"c.yaml: nearest = 'mobilevit_l' is not allowed; one of .*; did you mean 'mobilevit_s'\?$",
    ),
    ({"num_classes": 0}, r"c.yaml: num_classes = 0 is not allowed; an integer from 1 to 1000000$"),
    (
        {"weights": 3},
        (
            r"c.yaml: weights = 3 is not allowed; null or the path of a checkpoint, from this"
            r" file's folder$"
        ),
    ),
    (
        {"recipe": {"images": {"px": "large"}}},
        r"c.yaml: recipe.images.px = 'large' is not allowed; an integer from 16 to 2048$",
    ),
    (
        {"recipe": {"images": {"px": 512}}},
        (
            r"c.yaml: recipe.images.validation_resize_px = 288 is not allowed; at least images.px ="
            r" 512$"
        ),
    ),
    (
        {"architecture": {"stem_width": 16, "stages": [{"width": -1}]}},
        r"c.yaml: architecture.stages\[0\].width = -1 is not allowed; an integer from 1 to 8192",
    ),
    (
        {"training": {"data": "x"}},
        r"c.yaml: training: damaged; a mapping with the keys data, validation_share, seed",
    ),
]


@pytest.mark.parametrize(("changes", "message"), TORN)
def test_configurations_with_mistakes_are_refused_with_file_and_key(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = written(tmp_path / "c.yaml", config())
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))
    with pytest.raises(TrainingError, match=message):
        TrainingConfig.load(path)


def test_other_files_are_no_configurations(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("name: x\n")
    with pytest.raises(
        TrainingError,
        match=(
            r"c.yaml: not a configuration of a training \(no key mvt_nas_trainer\); mvt-nas export"
            r" NETWORK"
        ),
    ):
        TrainingConfig.load(path)
    path.write_text("a: [")
    with pytest.raises(TrainingError, match=r"c.yaml: not valid YAML in line 2 "):
        TrainingConfig.load(path)
    with pytest.raises(
        TrainingError, match=r"none.yaml: cannot be read \(No such file or directory\)$"
    ):
        TrainingConfig.load(tmp_path / "none.yaml")
