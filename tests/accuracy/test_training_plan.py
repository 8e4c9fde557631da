"""Tables of networks that a user chose: ``mvt-nas bench train --networks FILE.csv``."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from mvt_nas.accuracy.table import read_table
from mvt_nas.accuracy.table_builder import TableBuilder
from mvt_nas.accuracy.training_plan import COLUMNS, read_plan
from mvt_nas.errors import AccuracyError
from mvt_nas.resources import benchmark_file, default_table
from mvt_nas.space.search_space import load_space
from mvt_nas.training.short_recipe import ShortRecipe
from mvt_nas.training.small_images import as_trained
from tests.support.cli import run
from tests.support.trained_networks import train_in_this_process


def write_plan(path: Path, *trainings: tuple[str, str, int, str]) -> Path:
    """Write a file of trainings."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(trainings)
    return path


def architecture(number: int) -> str:
    """Return the JSON of a network of the space small_images."""
    space = load_space("small_images")
    return space.decode(space.sample(number + 1, 0)[number]).to_json()


def test_the_shipped_plan_holds_what_its_table_trained() -> None:
    plan = read_plan(benchmark_file("photos_64-plan.csv"))
    planned = {(one.planned.architecture.key, one.seed) for one in plan}
    trained = {
        (one.key, one.seed) for one in read_table(benchmark_file("photos_64-cifar10.csv")).trainings
    }
    assert len(planned) == len(plan) == 41
    assert trained <= planned
    protocol = ShortRecipe.load(benchmark_file("photos_64-cifar10.yaml"))
    # All are given as they are trained: 64 px, and maps of at least 4 x 4.
    assert all(
        as_trained(one.planned.architecture, protocol) == one.planned.architecture for one in plan
    )


def test_a_table_is_a_plan_of_its_own_trainings() -> None:
    table = read_table(default_table())
    plan = read_plan(default_table())
    assert [(one.planned.title, one.seed) for one in plan] == [
        (one.title, one.seed) for one in table.trainings
    ]


def test_given_trainings_are_done_in_their_order(tmp_path: Path) -> None:
    path = write_plan(
        tmp_path / "plan.csv", ("mine", "b", 1, architecture(1)), ("mine", "a", 0, architecture(0))
    )
    protocol = ShortRecipe(pixels=16, train_images=96, validation_images=50)
    builder = TableBuilder(load_space("tiny"), "digits", protocol, given=read_plan(path))
    jobs, budget = builder.jobs(10)
    assert [(one.planned.title, one.seed) for one in jobs] == [("b", 1), ("a", 0)]
    assert all(one.planned.architecture.resolution_px == 16 for one in jobs)
    assert budget > 0


@pytest.mark.slow
def test_the_command_trains_the_networks_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_in_this_process(monkeypatch)
    plan = write_plan(
        tmp_path / "plan.csv",
        ("mine", "one", 0, architecture(0)),
        ("mine", "two", 3, architecture(1)),
    )
    protocol = tmp_path / "protocol.yaml"
    protocol.write_text("{pixels: 16, train_images: 64, validation_images: 50, epochs: 1}\n")
    out = tmp_path / "table.csv"
    code, _, errors = run(
        "bench", "train", "--networks", str(plan), "--protocol", str(protocol), "--limit", "20",
        "--out", str(out),
    )  # fmt: skip
    assert code == 0, errors
    trainings = read_table(out).trainings
    assert [(one.subset, one.title, one.seed) for one in trainings] == [
        ("mine", "one", 0),
        ("mine", "two", 3),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("panel,title,seed\n", "column 'architecture' is missing"),
        ("panel,title,seed,architecture\n", "holds no trainings"),
        ("panel,title,seed,architecture\na,b,-1,{}\n", r"row 1 is damaged \(seed = -1"),
        ("panel,title,seed,architecture\na,b,0,{}\n", "row 1 is damaged"),
    ],
)
def test_damaged_plans_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "plan.csv"
    path.write_text(text)
    with pytest.raises(AccuracyError, match=message):
        read_plan(path)
    with pytest.raises(AccuracyError, match="cannot be read"):
        read_plan(tmp_path / "none.csv")


def test_a_plan_that_a_spreadsheet_saved_is_read(tmp_path: Path) -> None:
    path = write_plan(tmp_path / "plan.csv", ("mine", "a", 0, architecture(0)))
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert [one.planned.title for one in read_plan(path)] == ["a"]
