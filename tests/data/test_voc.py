"""Annotations in the Pascal VOC format: their content, and errors that name file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvt_nas.data.annotations.voc import read_xml
from mvt_nas.errors import DataError
from tests.support.annotated_training_processes import opened, voc


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
