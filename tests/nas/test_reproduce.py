"""Runs done again: identical where nothing has changed, and else told what has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mvt_nas.errors import RunError
from mvt_nas.journal import Journal
from mvt_nas.nas.api import search
from mvt_nas.nas.options import ExecutionOptions
from mvt_nas.nas.reproduce import Reproduction, reproduce
from mvt_nas.nas.runners.base import Resources
from mvt_nas.nas.runs.run import Run
from tests.nas.test_candidate_training import run_search
from tests.support import cli
from tests.support.searches import SCORING

SPACE = """
name: own
resolution_px: 64
stem: {width: [8, 16]}
stages:
  - {width: [8, 16, 24]}
  - {width: [16, 24, 32], depth: [1, 2]}
"""


def small_run(folder: Path, **settings: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "own.yaml").write_text(SPACE)
    settings = {
        "objectives": ["log_synflow", "macs"],
        "trials": 10,
        "batch": 4,
        "scoring": SCORING,
        **settings,
    }
    search(folder / "own.yaml", **settings, out=folder / "run")
    return folder / "run"


def again(run: Path, workers: int = 1) -> Reproduction:
    return reproduce(run, ExecutionOptions(Resources(workers)))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"sampler": "mvt"},
        {"fix": {"stage1.width": 8}},
        {"objectives": ["params", "macs"], "seed": 3},
    ],
)
def test_a_run_is_identical(settings: dict[str, Any], tmp_path: Path) -> None:
    found = again(small_run(tmp_path, **settings))
    assert found == Reproduction(found.candidates, (), ())
    assert found.candidates == len(Run.load(tmp_path / "run").candidates) > 5


@pytest.mark.slow
@pytest.mark.usefixtures("forked_workers")
def test_workers_and_a_run_that_was_broken_off_are_identical_too(tmp_path: Path) -> None:
    folder = small_run(tmp_path)
    lines = (folder / "candidates.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "candidates.jsonl").write_bytes(b"".join(lines[:7]))
    found = again(folder, workers=2)
    assert (found.identical, found.candidates) == (True, 6)


def test_a_run_that_trains_is_identical(tmp_path: Path) -> None:
    run_search(tmp_path / "run", trials=3)
    assert again(tmp_path / "run") == Reproduction(3, (), ())


def test_a_space_file_that_was_changed_is_named(tmp_path: Path) -> None:
    folder = small_run(tmp_path)
    (tmp_path / "own.yaml").write_text(SPACE.replace("[8, 16, 24]", "[8, 16, 32]"))
    found = again(folder)
    assert found.differences == (
        "space: stages.1.width is [8, 16, 24] in the run, [8, 16, 32] in ../own.yaml now",
    )
    (tmp_path / "own.yaml").write_text("name: [")
    (difference,) = again(folder).differences
    assert difference.startswith("space: ../own.yaml cannot be read any more (")


def test_a_space_file_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    folder = small_run(tmp_path)
    (tmp_path / "own.yaml").unlink()
    found = again(folder)
    assert found.identical
    assert found.notes == ("space: ../own.yaml is not there any more",)


def test_the_copy_in_the_run_that_was_changed_is_named(tmp_path: Path) -> None:
    folder = small_run(tmp_path)
    config = yaml.safe_load((folder / "run.yaml").read_text())
    config["space"]["stages"][0]["width"] = [8, 16]
    (folder / "run.yaml").write_text(yaml.safe_dump(config))
    found = again(folder)
    assert found.differences[0].startswith("space: the copy in run.yaml was changed (hash ")
    assert (
        found.differences[1]
        == "space: stages.1.width is [8, 16] in the run, [8, 16, 24] in ../own.yaml now"
    )
    assert not found.identical


def test_a_seed_that_was_changed_and_other_software_are_named(tmp_path: Path) -> None:
    folder = small_run(tmp_path, sampler="random")
    text = (folder / "run.yaml").read_text()
    (folder / "run.yaml").write_text(
        text.replace("optuna: ", "optuna: 0").replace("processor: ", "processor: not ")
    )
    found = again(folder)
    assert found.identical
    assert [note.partition(" was")[0] for note in found.notes] == ["version: optuna", "processor"]
    (folder / "run.yaml").write_text(
        text.replace("optuna: ", "optuna: 0").replace("seed: 0", "seed: 1")
    )
    found = again(folder)
    assert found.differences[0].startswith("version: optuna was 05")
    assert "is another architecture (" in found.differences[1]
    assert "... " in found.differences[6]
    assert found.notes == ()


def test_a_score_that_was_changed_is_named(tmp_path: Path) -> None:
    folder = small_run(tmp_path)
    path = folder / "candidates.jsonl"
    records = [json.loads(line.partition(" ")[2]) for line in path.read_text().splitlines()]
    was = next(
        record["candidate"] for record in records if record.get("candidate", {}).get("number") == 2
    )
    value, was["scores"]["log_synflow"] = was["scores"]["log_synflow"], 1e9
    path.unlink()
    log = Journal(path, 0, "")
    for record in records:
        log.append(record)
    log.close()
    differences = again(folder).differences
    assert differences[0] == f"candidate 2: log_synflow 1000000000.0 there, {value} here"
    assert differences[1].startswith("front: ")


def test_pictures_that_were_changed_are_named(tmp_path: Path) -> None:
    run_search(tmp_path / "run", trials=3)
    config = yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())
    config["training"]["fingerprint"] = "0123"
    (tmp_path / "run" / "run.yaml").write_text(yaml.safe_dump(config))
    (difference,) = again(tmp_path / "run").differences
    assert "these are not the images that the run was started with (hash " in difference


def test_where_there_is_no_run_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no run here \(run\.yaml is missing\)"):
        again(tmp_path)


def test_the_command_ends_with_one_where_something_differs(tmp_path: Path) -> None:
    folder = small_run(tmp_path, objectives=["params", "macs"])
    code, out, _ = cli.run("reproduce", folder)
    assert (code, out) == (0, f"{folder}: identical (10 candidates compared)\n")
    (tmp_path / "own.yaml").write_text(SPACE.replace("depth: [1, 2]", "depth: 1"))
    code, out, _ = cli.run("reproduce", folder, "--json")
    assert code == 1
    document = json.loads(out)
    assert document["identical"] is False
    assert document["differences"] == [
        "space: stages.2.depth is [1, 2] in the run, 1 in ../own.yaml now"
    ]


@pytest.mark.slow
def test_the_run_that_ships_is_identical() -> None:
    assert again(Path(__file__).parents[2] / "results" / "example").identical
