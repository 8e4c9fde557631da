"""Files written by the first version 0.1: read, resumed and reproduced as before."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from mvt_nas.accuracy.table import read_table
from mvt_nas.latency.profile_lookup import load_profile
from mvt_nas.nas.options import ExecutionOptions
from mvt_nas.nas.reproduce import reproduce
from mvt_nas.nas.runners.base import Resources
from mvt_nas.nas.runs.run import Run
from mvt_nas.space.search_space import load_space
from tests.support import cli

SAVED = Path(__file__).parent / "data" / "saved_by_0_1"
TABLE = Path(__file__).parents[1] / "results" / "benchmark" / "small_images-cifar10.csv"


def copied(name: str, folder: Path) -> Path:
    """Return a copy of a saved folder that a test may change."""
    path = folder / name
    shutil.copytree(SAVED / name, path)
    if (path / "accuracy.quality.json").exists():
        # The table of trained networks is the one that ships; a second copy would be 150 kB.
        shutil.copy(TABLE, path / "accuracy.csv")
    return path


def run(*arguments: str) -> None:
    """Run the command, which has to succeed."""
    code, _, err = cli.run(*arguments)
    assert code == 0, err


def lines(path: Path) -> list[dict[str, object]]:
    """Return the records of a store, without their checksums."""
    return [json.loads(line.partition(" ")[2]) for line in path.read_text().splitlines()]


def test_a_run_is_read(tmp_path: Path) -> None:
    folder = copied("run-known", tmp_path)
    known = Run.load(folder)
    assert len(known.complete()) == 8
    with (folder / "front.csv").open(newline="") as file:
        saved = [int(row["id"]) for row in csv.DictReader(file)]
    assert sorted(candidate.number for candidate in known.front()) == sorted(saved)


def test_a_run_is_reproduced(tmp_path: Path) -> None:
    assert reproduce(copied("run-known", tmp_path), ExecutionOptions(Resources(1))).identical


def test_a_run_with_rungs_is_read(tmp_path: Path) -> None:
    trained = Run.load(copied("run-rungs", tmp_path))
    assert trained.config.training is not None
    assert trained.config.training.rungs == (1,)
    assert len(trained.candidates) == 6


@pytest.mark.slow
def test_an_interrupted_run_is_resumed_from_its_checkpoints(tmp_path: Path) -> None:
    folder = copied("run-interrupted", tmp_path)
    run("search", "--resume", "--out", str(folder))
    found = lines(folder / "candidates.jsonl")
    expected = lines(SAVED / "run-interrupted.finished.jsonl")
    assert [list(record) for record in found] == [list(record) for record in expected]
    assert [record["candidate"] for record in found if "candidate" in record] == [
        record["candidate"] for record in expected if "candidate" in record
    ]


@pytest.mark.slow
def test_an_interrupted_training_is_resumed(tmp_path: Path) -> None:
    folder = copied("training", tmp_path)
    run("train", "--resume", "--out", str(folder), "--no-tensorboard")
    with (folder / "metrics.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    with (SAVED / "training.finished.csv").open(newline="") as file:
        expected = list(csv.DictReader(file))
    assert [row["epoch"] for row in found] == [row["epoch"] for row in expected]
    for row, other in zip(found, expected, strict=True):
        assert float(row["learning_rate"]) == pytest.approx(float(other["learning_rate"]))
        assert float(row["ema_top1"]) == pytest.approx(float(other["ema_top1"]), abs=0.03)


def test_a_space_a_profile_and_a_table_are_read() -> None:
    assert load_space(SAVED / "space.yaml").hash == "2e60944cb75df30f"
    assert load_profile(str(SAVED / "profile.json")).hash == "58cbf8f2592159b4"
    table = read_table(SAVED / "table.csv")
    assert len(table.trainings) == 4
