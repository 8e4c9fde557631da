"""Annotations in the COCO format: their content, and errors that name file, key and value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvt_nas.errors import DataError
from tests.support.annotated_training_processes import coco, opened, write_coco


def test_coco_boxes_are_those_of_the_files(tmp_path: Path) -> None:
    found = opened(coco(tmp_path))
    assert found.class_names == ("cat", "dog")
    assert found.boxes is not None
    assert [Path(found.name(row)).name for row in range(3)] == [
        "11.png",
        "12.png",
        "21.png",
    ]  # 13 has no objects
    assert found.held_out.tolist() == [False, False, True]
    assert found.boxes(0).corners.tolist() == [[2, 2, 6, 8]]
    assert found.boxes(0).labels.tolist() == [1]
    assert (found.boxes(1).ignored.tolist(), found.boxes(1).corners.tolist()) == (
        [True],
        [[1, 0, 3, 12]],
    )


def test_coco_outlines_become_masks(tmp_path: Path) -> None:
    found = opened(coco(tmp_path), "segmentation")
    assert found.class_names == ("background", "cat", "dog")
    assert found.mask is not None
    expected = np.zeros((12, 16), np.uint8)
    expected[2:9, 2:7] = 2  # pillow draws the outline as well
    assert found.mask(0).tolist() == expected.tolist()
    crowd = np.zeros((12, 16), np.uint8)
    crowd[:, 1:3] = 255  # runs go column by column: 12 outside, 24 inside
    assert found.mask(1).tolist() == crowd.tolist()


def changed_coco(tmp_path: Path, change: dict[str, Any], where: str = "annotations") -> Path:
    coco(tmp_path)
    path = tmp_path / "annotations" / "instances_train2017.json"
    data = json.loads(path.read_text())
    data[where][0] |= change
    path.write_text(json.dumps(data))
    return tmp_path


COCO_MISTAKES: list[tuple[str, dict[str, Any], str]] = [
    (
        "annotations",
        {"category_id": 9},
        r"json: annotations\[0\]: category_id = 9 is not allowed; one of 3, 7$",
    ),
    (
        "annotations",
        {"image_id": 9},
        r"json: annotations\[0\]: image_id = 9 is not allowed; one of the images in the file$",
    ),
    (
        "annotations",
        {"bbox": [1, 2, 3]},
        r"json: annotations\[0\]: bbox = \[1, 2, 3\] is not allowed; \[left, top, width, height\]$",
    ),
    ("annotations", {"bbox": [1, 2, 3, True]}, r"json: annotations\[0\]: bbox = .* is not allowed"),
    (
        "annotations",
        {"bbox": [10, 2, 30, 2]},
        r"annotation 1: bbox .* = \[10, 2, 40, 4\] is not allowed; within the image of 16 x 12",
    ),
    (
        "annotations",
        {"bbox": [10, 2, -3, 2]},
        r"annotation 1: bbox .* = \[10, 2, 7, 4\] is not allowed; left to right",
    ),
    (
        "annotations",
        {"bbox": [1, 2, float("nan"), 2]},
        r"annotation 1: bbox .* is not allowed; four finite numbers$",
    ),
    ("images", {"width": 0}, r"json: images\[0\]: width = 0 is not allowed; 1 or more$"),
    (
        "images",
        {"file_name": "../../etc/passwd"},
        r"json: images\[0\]: file_name = '../../etc/passwd' is not allowed; a path within",
    ),
    (
        "images",
        {"file_name": "/etc/passwd"},
        r"json: images\[0\]: file_name = '/etc/passwd' is not allowed; a path within",
    ),
    ("images", {"id": "x"}, r"json: images\[0\]: id = 'x' is not allowed; an integer$"),
    ("categories", {"name": None}, r"json: categories\[0\]: name = None is not allowed; a text$"),
    (
        "categories",
        {"id": 3},
        r"json: categories: at least one is needed, each with a unique id$",
    ),
]


@pytest.mark.parametrize(
    ("where", "change", "message"), COCO_MISTAKES, ids=range(len(COCO_MISTAKES))
)
def test_mistakes_in_coco_files_are_named(
    tmp_path: Path, where: str, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message) as error:
        opened(changed_coco(tmp_path, change, where))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["", "[" * 100_000, "[]", '{"images": 3}', '{"images": [3]}', "\x00"], ids=range(6)
)
def test_files_that_are_no_coco_are_refused(tmp_path: Path, text: str) -> None:
    coco(tmp_path)
    (tmp_path / "annotations" / "instances_train2017.json").write_text(text)
    with pytest.raises(DataError, match=r"instances_train2017.json: "):
        opened(tmp_path)


def test_coco_folders_have_one_file_for_each_part_and_images_next_to_them(tmp_path: Path) -> None:
    coco(tmp_path)
    (tmp_path / "annotations" / "instances_train2014.json").write_text("{}")
    with pytest.raises(
        DataError,
        match=r"instances_train2014.json, instances_train2017.json; one file for train is allowed$",
    ):
        opened(tmp_path)
    (tmp_path / "annotations" / "instances_train2014.json").unlink()
    write_coco(tmp_path, "val2017", [21], [], [{"id": 1, "name": "cow"}])
    with pytest.raises(
        DataError, match=r"val2017.json: categories differ from those of instances_train2017.json$"
    ):
        opened(tmp_path)
    coco(tmp_path)
    (tmp_path / "train2017").rename(tmp_path / "elsewhere")
    with pytest.raises(
        DataError,
        match=(
            r"no folder with its images; one of train2017, train, images/train2017, images/train"
            r" is needed$"
        ),
    ):
        opened(tmp_path)


def test_outlines_that_are_none_are_named(tmp_path: Path) -> None:
    for outline in (
        [[1, 2, 3]],
        {"counts": [1, 2]},
        {"counts": "abc"},
        [[1, 2, 3, 4, 5, float("nan")]],
        3,
    ):
        found = opened(changed_coco(tmp_path, {"segmentation": outline}), "segmentation")
        assert found.mask is not None
        with pytest.raises(DataError, match=r"11.png: segmentation = .* is not allowed; "):
            found.mask(0)
