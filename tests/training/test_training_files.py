"""What a training leaves: checkpoints, rows and plots are written whole, by one process."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mvt_nas.errors import TrainingError
from mvt_nas.training import checkpoint
from mvt_nas.training import history as rows
from mvt_nas.training.confusion_matrix import plot_confusion_matrix
from mvt_nas.training.folder import TrainingFolder
from mvt_nas.training.history import EpochRecord, ValidationMetrics


def test_checkpoints_come_back_and_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "last.ckpt"
    assert checkpoint.load(path, {}) is None
    checkpoint.save(path, {"seed": 0}, {"network": {"w": torch.ones(2)}, "rows": [(1, 0.5)]})
    found = checkpoint.load(path, {"seed": 0})
    assert found is not None
    assert found["rows"] == [(1, 0.5)]
    assert found["network"]["w"].tolist() == [1, 1]
    with pytest.raises(
        TrainingError,
        match=(
            r"last.ckpt: checkpoint of another training \(seed = 0, not 1\);"
            r" choose another path$"
        ),
    ):
        checkpoint.load(path, {"seed": 1})
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(
            TrainingError,
            match=(
                r"last.ckpt: truncated, or no file of torch.save \(\w+\); delete it to start again$"
            ),
        ):
            checkpoint.load(path, {})
    torch.save({"state_dict": {}}, path)
    with pytest.raises(
        TrainingError,
        match=(r"last.ckpt: not a checkpoint of a training; delete it or choose another path$"),
    ):
        checkpoint.load(path, {})
    torch.save({"mvt_nas_training": 2, "identity": {}}, path)
    with pytest.raises(
        TrainingError, match=r"last.ckpt: mvt_nas_training = 2 is not known; this version reads 1$"
    ):
        checkpoint.load(path, {})


class Malicious:
    """Would make a folder when it is unpickled."""

    def __init__(self, place: str) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.mkdir, (self.place,)


def test_checkpoints_with_code_in_them_are_refused_and_not_run(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    torch.save(
        {"mvt_nas_training": 1, "identity": {}, "x": Malicious(str(tmp_path / "owned"))}, path
    )
    with pytest.raises(
        TrainingError,
        match=(
            r"last.ckpt: refused: it would run \w+.mkdir; only plain tensors are loaded.*;"
            r" delete it"
        ),
    ) as told:
        checkpoint.load(path, {})
    assert "\n" not in str(told.value)
    assert not (tmp_path / "owned").exists()


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.ckpt"
    checkpoint.save(path, {}, {"x": 1})
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(
        TrainingError, match=r"last.ckpt: cannot be written \(No space left on device\)$"
    ):
        checkpoint.save(path, {}, {"x": 2})
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_folder_is_held_by_one(tmp_path: Path) -> None:
    with (
        TrainingFolder(tmp_path / "x").held(),
        pytest.raises(
            TrainingError,
            match=r"x: another process is training into it; choose another folder$",
        ),
        TrainingFolder(tmp_path / "x").held(),
    ):
        pass
    (tmp_path / "file").touch()
    with (
        pytest.raises(TrainingError, match=r"file: cannot be written \(File exists\)"),
        TrainingFolder(tmp_path / "file").held(),
    ):
        pass


def test_rows_are_written_whole(tmp_path: Path) -> None:
    row = EpochRecord(
        1,
        10,
        0.1,
        2.0,
        ValidationMetrics(1.5, {"top1": 0.5, "top5": 0.9}),
        ValidationMetrics(1.6, {"top1": 0.6, "top5": 0.8}),
        3.0,
    )
    rows.write_history(tmp_path / "m.csv", [row])
    with (tmp_path / "m.csv").open(newline="") as file:
        (found,) = csv.DictReader(file)
    assert (found["epoch"], found["ema_top1"], found["seconds"]) == ("1", "0.6", "3.0")
    assert row.best == 0.6
    columns = (
        "epoch,steps,learning_rate,train_loss,validation_loss,top1,top5,ema_loss,ema_top1,ema_top5,"
        "seconds"
    )
    assert ",".join(found) == columns
    assert row.to_values() == (1, 10, 0.1, 2.0, 1.5, 0.5, 0.9, 1.6, 0.6, 0.8, 3.0)
    assert EpochRecord.from_values(row.to_values(), ("top1", "top5")) == row
    with pytest.raises(ValueError, match=r"^a row of 11 values$"):
        EpochRecord.from_values(row.to_values(), ("top1",))
    assert set(rows.scalars(row)) == set(found) - {"epoch", "steps", "seconds"}


def shape_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return image.size


@pytest.mark.parametrize("count", [2, 10, 100, 1000])
def test_confusion_is_drawn_for_few_classes_and_many(tmp_path: Path, count: int) -> None:
    confusion = np.random.default_rng(0).integers(0, 50, (count, count))
    confusion[0] = 0  # a class without pictures
    plot_confusion_matrix(
        confusion, [f"class ${number}_" + "x" * 30 for number in range(count)], tmp_path / "c.png"
    )
    width, height = shape_of(tmp_path / "c.png")
    assert 500 <= width <= 3000
    assert 400 <= height <= 3000
    pixels = np.asarray(Image.open(tmp_path / "c.png").convert("L"))
    assert pixels.std() > 10
    assert [entry.name for entry in tmp_path.iterdir()] == ["c.png"]


def test_confusion_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match=r"c.png: cannot be written \(File exists\)$"):
        plot_confusion_matrix(np.eye(2, dtype=np.int64), ["a", "b"], tmp_path / "file" / "c.png")
