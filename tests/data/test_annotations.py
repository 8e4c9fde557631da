"""Sources of annotated images: their content, and errors that name file, key and value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mvt_nas.data.annotated_source import ANNOTATIONS, AnnotatedCatalogue, find_annotated
from mvt_nas.data.annotations.index_mask import check_mask, read_mask
from mvt_nas.data.annotations.shapes import CLASSES, scene
from mvt_nas.data.annotations.voc import read_xml
from mvt_nas.errors import DataError
from tests.support.annotated_training_processes import coco, pairs, voc, write_coco
from tests.support.images import noise, write


def opened(source: Path | str, kind: str = "detection") -> AnnotatedCatalogue:
    return find_annotated(str(source), kind).annotated(str(source), kind)


def test_voc_boxes_are_those_of_the_files_counted_from_zero(tmp_path: Path) -> None:
    found = opened(voc(tmp_path))
    assert found.class_names == ("cat", "dog")
    assert found.held_out.tolist() == [False, False, True]
    assert found.boxes is not None
    boxes = found.boxes(0)
    assert boxes.corners.tolist() == [[0, 0, 8, 6], [8, 2, 16, 12]]
    assert (boxes.labels.tolist(), boxes.ignored.tolist()) == ([0, 1], [False, False])
    image = found.image(1)
    assert isinstance(image, bytes)
    assert found.name(1).endswith("JPEGImages/b.png")


def test_voc_masks_have_the_classes_of_voc_or_those_of_a_file(tmp_path: Path) -> None:
    found = opened(voc(tmp_path), "segmentation")
    assert (len(found.class_names), found.class_names[0], found.class_names[-1]) == (
        21,
        "background",
        "tvmonitor",
    )
    assert found.mask is not None
    assert (found.mask(2)[0, 0], found.mask(2)[1, 1]) == (255, 2)
    (tmp_path / "classes.txt").write_text("background\n\ncat\ndog \n")
    assert opened(tmp_path, "segmentation").class_names == ("background", "cat", "dog")
    assert opened(tmp_path).class_names == ("cat", "dog")


def test_voc_lists_name_the_training_images(tmp_path: Path) -> None:
    voc(tmp_path)
    lists = tmp_path / "ImageSets" / "Main"
    lists.joinpath("train.txt").unlink()
    lists.joinpath("trainval.txt").write_text("a 1\nb -1\nc\n")
    assert opened(tmp_path).held_out.tolist() == [False, False, True]
    lists.joinpath("train.txt").write_text("a\nc\n")
    with pytest.raises(
        DataError, match=r"Main: c is in train.txt and in val.txt; it can be in one$"
    ):
        opened(tmp_path)
    lists.joinpath("train.txt").write_text("../../x\n")
    with pytest.raises(
        DataError,
        match=(
            r"train.txt: '../../x' is not allowed; the name of an image in JPEGImages, without"
            r" suffix$"
        ),
    ):
        opened(tmp_path)
    lists.joinpath("train.txt").write_text("d\n")
    with pytest.raises(DataError, match=r"JPEGImages: no image 'd', which is listed or annotated$"):
        opened(tmp_path)
    for path in lists.iterdir():
        path.unlink()
    assert opened(tmp_path).held_out.tolist() == [False] * 3


def annotation(tmp_path: Path, before: str, after: str) -> Path:
    voc(tmp_path)
    path = tmp_path / "Annotations" / "a.xml"
    path.write_text(path.read_text().replace(before, after, 1))
    return tmp_path


XML_MISTAKES = [
    (
        "<xmin>9",
        "<xmin>19",
        (
            r"a.xml: object 2: bndbox = \[18, 2, 16, 12\] is not allowed; left to right and top to"
            r" bottom have to rise$"
        ),
    ),
    (
        "<xmax>8",
        "<xmax>80",
        (
            r"a.xml: object 1: bndbox = \[0, 0, 80, 6\] is not allowed; within the image of 16 x"
            r" 12 pixels$"
        ),
    ),
    ("<xmax>8", "<xmax>x", r"a.xml: object 1: bndbox.xmax = 'x' is not allowed; a number$"),
    ("<xmax>8", "<xmax>nan", r"a.xml: object 1: bndbox = .* is not allowed; four finite numbers$"),
    ("<xmax>8</xmax>", "", r"a.xml: object 1: bndbox.xmax = None is not allowed; a number$"),
    ("<name>dog", "<name>", r"a.xml: object 2: name = '' is not allowed; the name of a class$"),
    ("<height>12", "<height>", r"a.xml: size.height = '' is not allowed; a number$"),
    ("</annotation>", "", r"a.xml: not valid XML \(no element found: line 1, column \d+\)$"),
]


@pytest.mark.parametrize(("before", "after", "message"), XML_MISTAKES)
def test_mistakes_in_voc_annotations_are_named(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        opened(annotation(tmp_path, before, after))


def test_classes_that_are_not_in_the_list_are_named(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cat\ndig\n")
    with pytest.raises(
        DataError,
        match=(
            r"object 2: name = 'dog' is not allowed; one of cat, dig \(classes.txt\); did you mean"
            r" 'dig'\?$"
        ),
    ):
        opened(voc(tmp_path))
    (tmp_path / "classes.txt").write_text("cat\ncat\n")
    with pytest.raises(
        DataError, match=r"classes.txt: 'cat' is duplicated; every class needs a unique name$"
    ):
        opened(tmp_path)
    (tmp_path / "Annotations" / "a.xml").unlink()
    (tmp_path / "classes.txt").unlink()
    with pytest.raises(DataError, match=r"a.xml: cannot be read \(No such file or directory\)$"):
        opened(tmp_path)


LAUGHS = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;">]><annotation>&y;</annotation>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><annotation>&x;</annotation>'
HOSTILE = [
    (
        LAUGHS,
        r"a.xml: refused: document types and entities are not allowed in annotations$",
    ),
    (OUTSIDE, r"a.xml: refused: document types and entities"),
    (
        '<!DOCTYPE a SYSTEM "http://127.0.0.1/x.dtd"><annotation/>',
        r"a.xml: refused: document types and entities",
    ),
    ("<a>" * 100_000, r"a.xml: refused: more than 50 nested elements$"),
    (" " * (5 * 2**20), r"a.xml: larger than 4 MB; the annotation of one image is expected$"),
    ("", r"a.xml: not valid XML \(no element found: line 1, column 0\)$"),
    ('<?xml version="1.0" encoding="x-none"?><a/>', r"a.xml: not valid XML \("),
]


@pytest.mark.parametrize(("text", "message"), HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_hostile_xml_is_refused_in_one_line(
    tmp_path: Path, text: str, message: str, encoding: str
) -> None:
    (tmp_path / "a.xml").write_bytes(text.encode(encoding if text else "utf-8"))
    pattern = (
        message
        if encoding == "utf-8" or "refused" in message or "larger" in message
        else r"a.xml: not valid XML \("
    )
    with pytest.raises(DataError, match=pattern) as error:
        read_xml(tmp_path / "a.xml")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


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


def test_pairs_of_images_and_masks(tmp_path: Path) -> None:
    found = opened(pairs(tmp_path, {"train": 3, "val": 2}), "segmentation")
    assert found.held_out.tolist() == [False] * 3 + [True] * 2
    assert found.class_names == ("background", "thing")
    assert found.mask is not None
    assert found.mask(0).sum() == 96
    (tmp_path / "masks" / "train" / "1.png").unlink()
    with pytest.raises(DataError, match=r"masks/train/1.png: no such mask; every image needs one$"):
        opened(tmp_path, "segmentation")


def test_masks_have_to_hold_classes_and_fit_their_images(tmp_path: Path) -> None:
    mask = read_mask(write(tmp_path / "m.png", np.full((3, 4), 7, np.uint8)))
    check_mask(mask, 8, (4, 3), "p")
    with pytest.raises(
        DataError, match=r"^p: 7 in the mask is not allowed; 0 to 6, or 255 for pixels to ignore$"
    ):
        check_mask(mask, 7, (4, 3), "p")
    with pytest.raises(DataError, match=r"^p: the mask has 4 x 3 pixels, its image 3 x 4$"):
        check_mask(mask, 8, (3, 4), "p")
    with pytest.raises(
        DataError,
        match=(
            r"n.png: pixels of mode RGB; a palette or grey values, the index of a class in each,"
            r" are needed$"
        ),
    ):
        read_mask(write(tmp_path / "n.png", noise(0)))
    (tmp_path / "o.png").write_bytes(b"none")
    with pytest.raises(DataError, match=r"o.png: cannot be decoded \("):
        read_mask(tmp_path / "o.png")
    with_palette = Image.fromarray(np.array([[0, 1], [255, 2]], np.uint8))
    with_palette.putpalette([value % 256 for value in range(768)])
    with_palette.save(tmp_path / "p.png")
    assert read_mask(tmp_path / "p.png").tolist() == [[0, 1], [255, 2]]


def test_shapes_lie_where_their_boxes_and_masks_say() -> None:
    for number in range(40):
        pixels, mask, boxes = scene(number)
        assert 1 <= len(boxes.labels) <= 2
        assert pixels.shape == (*mask.shape, 3)
        union = np.zeros(mask.shape, bool)
        for (left, top, right, bottom), label in zip(
            boxes.corners.astype(int), boxes.labels, strict=True
        ):
            union[top:bottom, left:right] = True
            assert (mask[top:bottom, left:right] == label + 1).mean() > 0.3
        assert not (mask[~union] > 0).any()
    labels = np.concatenate([scene(number).boxes.labels for number in range(200)])
    assert (np.bincount(labels, minlength=len(CLASSES)) > 0.25 * len(labels)).all()
    scene.cache_clear()
    assert (scene(3).pixels == scene.__wrapped__(3).pixels).all()


def test_every_source_says_what_it_is_for(tmp_path: Path) -> None:
    for name in ANNOTATIONS:
        found = ANNOTATIONS.get(name)
        assert found.summary
        assert set(found.kinds) <= {"detection", "segmentation"}
    with pytest.raises(
        DataError,
        match=(
            r"^shape: no such file or folder for detection; did you mean 'shapes'\? \(sources:"
            r" .*COCO.*shapes"
        ),
    ):
        find_annotated("shape", "detection")
    with pytest.raises(DataError, match=r": cannot be used for segmentation \(sources: "):
        find_annotated(str(tmp_path), "segmentation")
    with pytest.raises(DataError, match=r" is for segmentation, not for detection$"):
        find_annotated(str(pairs(tmp_path, {"train": 1})), "detection")


def test_marks_do_not_depend_on_the_place_but_on_the_annotations(tmp_path: Path) -> None:
    first, second, third = (opened(voc(tmp_path / name)).mark for name in "xyz")
    assert first == second == third
    path = tmp_path / "z" / "Annotations" / "a.xml"
    path.write_text(path.read_text().replace("<xmax>8", "<xmax>9"))
    assert opened(tmp_path / "z").mark != first
    assert opened(coco(tmp_path / "c")).mark == opened(coco(tmp_path / "d")).mark
