"""The accuracy table: round trips, interrupted writes, and errors that name the damage."""

from __future__ import annotations

import csv
import io
import math
import re
import statistics
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from mvt_nas.accuracy.protocol import at_protocol, protocol_of
from mvt_nas.accuracy.ranking_metrics import table_agreement
from mvt_nas.accuracy.table import (
    COLUMNS,
    AccuracyTable,
    TrainedNetwork,
    append,
    read_table,
    start_table,
)
from mvt_nas.errors import AccuracyError, TrainingError
from mvt_nas.resources import default_table
from mvt_nas.space.published import zoo
from mvt_nas.training.small_images import as_trained
from tests.support.trained_networks import HEAD, training


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Return a table of three trainings."""
    path = tmp_path / "folder" / "table.csv"
    start_table(path, HEAD)
    for number in range(3):
        append(path, training(number, accuracy=50 + number))
    return path


def test_what_is_written_is_read(table: Path) -> None:
    found = read_table(table)
    assert found.head == HEAD
    assert found.where == str(table)
    assert found.num_classes == 10
    assert list(found.trainings) == [training(number, accuracy=50 + number) for number in range(3)]


def test_any_csv_reader_reads_it(table: Path) -> None:
    attributes = {"panel": "subset", "pictures_per_second": "images_per_second"}
    expected = tuple(attributes.get(column, column) for column in COLUMNS)
    assert tuple(field.name for field in fields(TrainedNetwork)) == expected
    lines = [line for line in table.read_text().splitlines() if not line.startswith("#")]
    rows = list(csv.reader(lines))
    assert tuple(rows[0]) == COLUMNS
    assert rows[2][COLUMNS.index("title")] == 'net 1, "quoted"'
    assert len(lines) == 4


def test_nan_survives(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    start_table(path, HEAD)
    append(path, training(0, accuracy=float("nan"), status="diverged: loss is nan in epoch 2"))
    one = read_table(path).trainings[0]
    assert math.isnan(one.accuracy)
    assert one.status == "diverged: loss is nan in epoch 2"


def test_a_torn_last_line_is_left_out_and_overwritten(table: Path) -> None:
    whole = table.read_bytes()
    last = whole[:-1].rfind(b"\n") + 1
    for end in (
        last,
        last + 1,
        last + 20,
        (last + len(whole)) // 2,
        len(whole) - 2,
        len(whole) - 1,
    ):
        table.write_bytes(whole[:end])
        assert [one.accuracy for one in read_table(table).trainings] == [50, 51], end
        append(table, training(5, accuracy=77))
        assert table.read_bytes()[:last] == whole[:last]
        assert [one.accuracy for one in read_table(table).trainings] == [50, 51, 77], end
        append(table, training(6, accuracy=78))
        assert [one.accuracy for one in read_table(table).trainings] == [50, 51, 77, 78], end


def test_windows_line_ends_are_read(table: Path) -> None:
    expected = read_table(table).trainings
    table.write_bytes(table.read_bytes().replace(b"\n", b"\r\n"))
    assert read_table(table).trainings == expected


def _with_cell(path: Path, row: int, column: str, text: str | None) -> None:
    """Replace a cell; ``None`` ends the row before it."""
    lines = path.read_text().splitlines(keepends=True)
    start = next(place for place, line in enumerate(lines) if line.startswith("key,"))
    cells = next(csv.reader([lines[start + row]]))
    place = COLUMNS.index(column)
    cells = cells[:place] if text is None else [*cells[:place], text, *cells[place + 1 :]]
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    lines[start + row] = buffer.getvalue()
    path.write_text("".join(lines))


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("key", "0123456789abcdef"),
        ("seed", "1.5"),
        ("accuracy", "good"),
        ("accuracy", ""),
        ("params", "many"),
        ("hardware", None),
        ("curve", "[1, 2"),
        ("curve", "5"),
        ("curve", '["x"]'),
        ("curve", "[null]"),
        ("curve", "[" * 100_000),
        ("architecture", None),
        ("architecture", "{}"),
        ("architecture", "no JSON"),
        ("architecture", '{"stem_width": "wide"}'),
        ("title", "x" * 200_000),  # more than Python's csv reader takes
    ],
)
def test_a_damaged_row_is_named(table: Path, column: str, text: str | None) -> None:
    _with_cell(table, 2, column, text)
    with pytest.raises(
        AccuracyError, match=rf"{re.escape(str(table))}: training 2 is damaged \(.+\)$"
    ) as caught:
        read_table(table)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(table)) + 150


def test_a_key_of_another_architecture_is_told(table: Path) -> None:
    _with_cell(table, 1, "key", training(2).key)
    with pytest.raises(
        AccuracyError, match=f"training 1 is damaged.*{training(2).key} does not belong"
    ):
        read_table(table)


def test_a_missing_column_is_named(table: Path) -> None:
    table.write_text(table.read_text().replace("\nkey,title,", "\nkey,name,"))
    with pytest.raises(AccuracyError, match=re.escape(f"{table}: column 'title' is missing")):
        read_table(table)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a,b\n1,2\n",
        "# hello\na,b\n",
        "# {}\na,b\n",
        '# {"num_classes": "ten"}\na\n',
        "# [1]\n",
        '# {"num_classes": 10\n',
        "\0\0\n",
    ],
)
def test_external_files_are_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "external.csv"
    path.write_text(text)
    with pytest.raises(
        AccuracyError, match=rf"{re.escape(str(path))}: no table of trained networks \(its head"
    ) as caught:
        read_table(path)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_read_or_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(AccuracyError, match=r"none\.csv: cannot be read \(No such file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(AccuracyError, match=r"cannot be read \(Is a directory"):
        read_table(tmp_path)
    (tmp_path / "latin.csv").write_bytes(b"# \xe9\n")
    with pytest.raises(AccuracyError, match=r"latin\.csv: cannot be read \(not UTF-8"):
        read_table(tmp_path / "latin.csv")
    with pytest.raises(AccuracyError, match=r"none\.csv: cannot be written \(No such file"):
        append(tmp_path / "none.csv", training(0))


def test_networks_average_their_seeds() -> None:
    values = {
        0: [50.0, 52.0, 54.0],
        1: [60.0, 61.0],
        **{number: [40.0 + number] for number in range(2, 9)},
    }
    rows = [
        training(number, value, seed)
        for number, several in values.items()
        for seed, value in enumerate(several)
    ]
    rows.append(training(9, float("nan"), 0, status="diverged: x in epoch 1"))
    rows.append(training(0, float("nan"), 3, status="diverged: x in epoch 1"))
    rows.append(training(1, 99.0, 2, status="stopped"))
    found = AccuracyTable(HEAD, tuple(sorted(rows, key=lambda one: one.seed))).networks()
    assert len(found) == 9
    assert found.num_classes == 10
    means = dict(zip((one.key for one in found.architectures), found.accuracy, strict=True))
    assert means == {
        training(number).key: pytest.approx(statistics.mean(several))
        for number, several in values.items()
    }
    firsts = dict(zip((one.key for one in found.architectures), found.single, strict=True))
    assert firsts == {training(number).key: several[0] for number, several in values.items()}
    # Variances 4 (two degrees of freedom) and 0.5 (one): (8 + 0.5) / 3.
    assert found.seed_sd == pytest.approx(math.sqrt(8.5 / 3))


def test_one_seed_counts_once() -> None:
    rows = [training(number, 40.0 + number) for number in range(9)]
    again = [training(0, 46.0, seed=1), training(0, 40.0), training(1, 41.0)]
    found, single = (
        AccuracyTable(HEAD, (*rows, *again)).networks(),
        AccuracyTable(HEAD, (*rows, again[0])).networks(),
    )
    np.testing.assert_array_equal(found.accuracy, single.accuracy)
    assert found.accuracy[0] == 43
    assert found.seed_sd == pytest.approx(math.sqrt(18))  # of 40 and 46


def test_subsets_are_kept_and_one_seed_has_no_deviation() -> None:
    rows = tuple(
        training(number, subset="matched" if number in (1, 4) else "spread") for number in range(9)
    )
    found = AccuracyTable(HEAD, rows).networks()
    np.testing.assert_array_equal(found.in_subset("matched"), [1, 4])
    assert len(found.in_subset("published")) == 0
    assert found.seed_sd == 0


def test_too_few_networks_are_refused() -> None:
    rows = tuple(training(number, seed=seed) for number in range(7) for seed in range(3))
    with pytest.raises(
        AccuracyError, match=r"here\.csv: 7 trained networks are too few; at least 8"
    ):
        AccuracyTable(HEAD, rows, "here.csv").networks()


def test_architectures_come_under_the_protocol() -> None:
    table = AccuracyTable(HEAD, ())
    assert protocol_of(table).pixels == 32
    found = at_protocol(zoo("mobilevit_xxs"), table)
    assert found.resolution_px == 32
    assert [stage.stride for stage in found.stages].count(
        2
    ) == 2  # the stem and two stages: 4 px are left
    assert at_protocol(found, table) == found
    large = AccuracyTable(
        {"num_classes": 10, "protocol": {"pixels": 64, "small_images": False}}, ()
    )
    kept = as_trained(zoo("mobilevit_xxs"), protocol_of(large))
    assert kept.resolution_px == 64
    assert kept.stages == zoo("mobilevit_xxs").stages
    with pytest.raises(TrainingError, match=r"here\.csv: protocol: a mapping"):
        protocol_of(AccuracyTable({"num_classes": 10}, (), "here.csv"))
    with pytest.raises(TrainingError, match=r"here\.csv: protocol: unknown field 'pixel'"):
        protocol_of(AccuracyTable({"num_classes": 10, "protocol": {"pixel": 3}}, (), "here.csv"))


def test_the_table_that_ships_is_sound() -> None:
    table = read_table(default_table())
    protocol = protocol_of(table)
    assert protocol.key == table.head["protocol_key"]
    networks = table.networks()
    assert len(networks) >= 30
    assert all(one.resolution_px == protocol.pixels for one in networks.architectures)
    assert all(
        len(one.curve) == protocol.epochs for one in table.trainings if one.status == "complete"
    )
    assert all(0 < one.accuracy <= 100 for one in table.trainings if one.status == "complete")


def test_tables_agree_as_far_as_their_orders_do(tmp_path: Path) -> None:
    paths = [tmp_path / "short.csv", tmp_path / "long.csv"]
    accuracies = [[50.0, 51.0, 52.0, 53.0, 54.0], [60.0, 61.5, 61.0, 63.0, 62.0, 70.0]]
    for path, values in zip(paths, accuracies, strict=True):
        start_table(path, HEAD)
        for number, accuracy in enumerate(values):
            append(path, training(number, accuracy))
        append(path, training(6, math.nan, status="diverged: loss nan"))
    append(paths[0], training(0, 48.0, seed=1))
    found = table_agreement(*(read_table(path) for path in paths))
    assert (found.n, found.mean, found.other_mean) == (
        5,
        pytest.approx((49.0 + 51 + 52 + 53 + 54) / 5),
        61.5,
    )
    assert found.tau == pytest.approx(0.6)  # two of ten pairs are the other way round
    assert found.spearman == pytest.approx(0.8)
    lonely = tmp_path / "lonely.csv"
    start_table(lonely, HEAD)
    append(lonely, training(7))
    with pytest.raises(
        AccuracyError,
        match=r"lonely\.csv: shares 0 trained networks with .*short\.csv; at least 4 are needed",
    ):
        table_agreement(read_table(paths[0]), read_table(lonely))
