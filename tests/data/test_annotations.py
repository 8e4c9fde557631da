"""Sources of annotated images in general, pairs of images and masks, and drawn shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mvt_nas.data.annotated_source import ANNOTATIONS, find_annotated
from mvt_nas.data.annotations.index_mask import check_mask, read_mask
from mvt_nas.data.annotations.shapes import CLASSES, scene
from mvt_nas.errors import DataError
from tests.support.annotated_training_processes import coco, opened, pairs, voc
from tests.support.images import noise, write


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
