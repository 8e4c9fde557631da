"""What the page of file formats says of the folder of a training is what lies there."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from mvt_nas.cli.main import main
from mvt_nas.training.config import MARK, StartedTraining, TrainingConfig
from mvt_nas.training.history import METRIC_TITLES, EpochRecord, ValidationMetrics
from mvt_nas.training.recipe import Recipe
from tests.support.short_training_processes import SMALL
from tests.support.training_processes import data

PAGE = (Path(__file__).parents[2] / "docs" / "file-formats.md").read_text()


def _table(heading: str) -> dict[str, str]:
    """Return the first table below a heading: its second column by its first."""
    section = re.split(rf"^{re.escape(heading)}$", PAGE, maxsplit=1, flags=re.MULTILINE)[1]
    first = re.search(r"^\|.*?(?=\n\n)", section, re.MULTILINE | re.DOTALL)
    assert first is not None
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ", 1)]
        for line in first[0].splitlines()[2:]
    ]
    return {key.strip(): value for key, value in rows}


def _names(cells: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cells)


def test_the_columns_of_a_training_are_those_on_the_page() -> None:
    shares = dict.fromkeys(METRIC_TITLES["classification"], 0.0)
    row = EpochRecord(
        1, 1, 0.0, 0.0, ValidationMetrics(0.0, shares), ValidationMetrics(0.0, shares), 0.0
    )
    assert [name for cell in _table("### metrics.csv") for name in _names(cell)] == list(
        row.to_dict()
    )


def test_the_keys_of_a_configuration_are_those_on_the_page() -> None:
    table = _table("### config.yaml")
    own = [MARK, *(field.name for field in fields(TrainingConfig))]
    assert [name for cell in table for name in _names(cell)] == own
    training = set(_names(table["`training`"])) - {"digits"}
    assert training == {field.name for field in fields(StartedTraining)}
    assert _names(table["`recipe`"]) == [field.name for field in fields(Recipe)]


def test_the_files_of_a_training_are_those_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.json").write_text(SMALL.to_json())
    quick = (
        "--epochs",
        "1",
        "--batch",
        "64",
        "--threads",
        "1",
        "--device",
        "cpu",
        "--workers",
        "0",
        "--px",
        "16",
    )
    with pytest.raises(SystemExit) as stop:
        main(
            ["train", "small.json", "--data", data(), "--recipe", "digits", *quick, "--to", "torch"]
        )
    assert not stop.value.code
    folder = Path("trained/small")
    said = {name.split("/")[0] for cell in _table("## Training folders") for name in _names(cell)}
    assert said == {entry.name for entry in folder.iterdir()}
    assert {entry.name for entry in (folder / "checkpoints").iterdir()} == {
        "last.ckpt",
        "best.ckpt",
    }
    assert list((folder / "exported").iterdir()) == [folder / "exported" / "torch"]
    assert set(yaml.safe_load((folder / "config.yaml").read_text())) == {
        MARK,
        *(field.name for field in fields(TrainingConfig)),
    } - {"task"}
