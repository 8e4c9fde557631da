"""Loading of datasets: folders, archives of arrays, Parquet, digits; the cache; invalid sources."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from mvt_nas.data import SOURCES, ImageDataset, load_images
from mvt_nas.data.decode import decode
from mvt_nas.errors import DataError
from tests.support.images import folder, noise, write


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def load(path: Path | str, pixels: int = 8, **choices: Any) -> ImageDataset:
    return load_images(path, pixels, **choices)


def test_digits_are_those_of_scikit_learn() -> None:
    images, known = load("digits"), load_digits()
    assert (images.labels == known.target).all()
    assert (images.images == (known.images * 255 // 16).astype(np.uint8)[..., None]).all()
    assert images.class_names == tuple("0123456789")


def test_a_folder_is_its_images_in_order(tmp_path: Path) -> None:
    images = load(folder(tmp_path, {"two words": 2, "bär": 3}))
    assert images.class_names == ("bär", "two words")
    assert images.labels.tolist() == [0, 0, 0, 1, 1]
    assert (images.images[0] == decode((tmp_path / "bär" / "0.png").read_bytes(), 8)).all()
    assert not images.held_out.any()
    assert images.skipped == ()


@pytest.mark.parametrize("root", ["", "a", "a/b c"])
def test_folders_around_are_passed_through_and_folders_inside_belong_to_the_class(
    tmp_path: Path, root: str
) -> None:
    folder(tmp_path / root, {"cat/kitten": 2, "dog": 1, "dog/old/grey": 1})
    images = load(tmp_path)
    assert images.class_names == ("cat", "dog")
    assert images.labels.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("pattern", ["{part}/{name}", "{name}/{part}", "set/{part}/{name}"])
def test_parts_are_kept_and_test_images_never_read(tmp_path: Path, pattern: str) -> None:
    parts = [("train", 3), ("val", 2), ("test", 1)]
    folder(
        tmp_path,
        {
            pattern.format(part=part, name=name): count
            for part, count in parts
            for name in ("cat", "dog")
        },
    )
    images = load(tmp_path)
    assert images.class_names == ("cat", "dog")
    assert (len(images), int(images.held_out.sum())) == (10, 4)
    split = images.split(train=None, validation=4, seed=0)
    assert images.held_out[split.validation].all()
    assert not images.held_out[split.train].any()


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    assert load(folder(tmp_path, {"train": 1, "tractor": 1})).class_names == ("tractor", "train")


def test_hidden_files_other_files_and_loops_are_passed_over(tmp_path: Path) -> None:
    folder(tmp_path, {"cat": 1, "dog": 1, ".hidden": 1})
    (tmp_path / "cat" / "._0.png").write_bytes(b"a note of another system")
    (tmp_path / "dog" / "readme.txt").write_text("dogs")
    (tmp_path / "dog" / "loop").symlink_to(tmp_path)
    assert load(tmp_path).labels.tolist() == [0, 1]


def test_a_limit_chooses_by_seed_and_class(tmp_path: Path) -> None:
    folder(tmp_path, {"cat": 6, "dog": 2})
    first, again, other = (load(tmp_path, limit=3, seed=seed) for seed in (0, 0, 1))
    assert np.bincount(first.labels).tolist() == [3, 2]
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_a_few_unreadable_images_are_named_and_many_refused(tmp_path: Path) -> None:
    folder(tmp_path, {"cat": 3, "dog": 3})
    bad = tmp_path / "cat" / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff broken")
    images = load(tmp_path)
    assert len(images) == 6
    assert len(images.skipped) == 1
    assert str(bad) in images.skipped[0]
    (tmp_path / "dog" / "gone.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(
        DataError,
        match=r"2 of 8 images are unreadable .*bad.jpg \(cannot identify.*; at most 1 may be$",
    ):
        load(tmp_path)


def test_a_bomb_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path, {"cat": 1, "dog": 1})
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(
        DataError,
        match=r"cat/0.png: Image size \(192 pixels\) exceeds .*; this may be a decompression bomb$",
    ):
        load(tmp_path)


def test_wrong_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"nowhere: no such file or folder \(sources: 'digits', embedded; "
    ):
        load(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"digit: no such file or folder; did you mean 'digits'\?"):
        load("digit")
    with pytest.raises(DataError, match=r"no images in folders; folders named by class are needed"):
        load(tmp_path)
    write(tmp_path / "loose.png", noise(0))
    with pytest.raises(
        DataError, match=r"images, but none in folders; folders named by class are needed"
    ):
        load(tmp_path)
    folder(tmp_path, {"cat": 2})
    with pytest.raises(DataError, match=r": the only class is cat; two or more are needed$"):
        load(tmp_path)
    folder(tmp_path, {"set/dog": 1, "set/cow": 1})
    (tmp_path / "cat").rename(tmp_path / "set" / "cat")
    write(tmp_path / "set" / "stray.png", noise(0))
    with pytest.raises(
        DataError,
        match=r"set/stray.png: next to the folders of the classes; it has to be in one of them$",
    ):
        load(tmp_path)


def test_a_class_without_a_readable_image_is_refused(tmp_path: Path) -> None:
    folder(tmp_path, {"cat": 2, "dog": 1})
    (tmp_path / "dog" / "0.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r": no image of class dog can be read$"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"pixels": 4}, r"^pixels = 4 is not allowed; an integer from 8 to 1024$"),
        ({"pixels": 8.0}, r"^pixels = 8.0 is not allowed"),
        ({"limit": 0}, r"^limit = 0 is not allowed; images per class, 1 or more"),
    ],
)
def test_wrong_choices_are_refused(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load("digits", **choices)


def test_the_cache_spares_decoding_and_notices_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder(tmp_path, {"cat": 2, "dog": 2})
    counted: list[int] = []
    first = load(tmp_path, listener=lambda done, total: counted.append(done))
    assert counted == [1, 2, 3, 4]
    again = load(tmp_path, listener=lambda done, total: counted.append(done))
    assert counted == [1, 2, 3, 4]
    assert (again.images == first.images).all()
    assert (again.fingerprint, again.class_names, again.skipped) == (
        first.fingerprint,
        first.class_names,
        first.skipped,
    )
    write(tmp_path / "cat" / "0.png", noise(77))
    os.utime(tmp_path / "cat" / "0.png", ns=(1, 1))
    assert load(tmp_path).fingerprint != first.fingerprint
    write(tmp_path / "cow" / "0.png", noise(78))
    assert load(tmp_path).class_names == ("cat", "cow", "dog")


def test_a_damaged_cache_is_built_again_and_a_missing_one_is_no_trouble(tmp_path: Path) -> None:
    folder(tmp_path / "set", {"cat": 2, "dog": 2})
    first = load(tmp_path / "set", cache=tmp_path / "cache")
    (entry,) = (tmp_path / "cache").iterdir()
    for name, content in (("images.npy", b""), ("set.json", b"{}"), ("labels.npy", b"\x93NUMPY")):
        (entry / name).write_bytes(content)
        assert load(tmp_path / "set", cache=tmp_path / "cache").fingerprint == first.fingerprint
        assert len((entry / name).read_bytes()) > len(content)
    (tmp_path / "file").write_text("in the way")
    assert (
        load(tmp_path / "set", cache=tmp_path / "file" / "cache").fingerprint == first.fingerprint
    )


@pytest.mark.parametrize("shape", [(4, 9, 9), (4, 9, 9, 1), (4, 9, 9, 3)])
def test_arrays(tmp_path: Path, shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=np.array([3, 7, 7, 3]))
    found = load(tmp_path / "a.npz", 9)
    assert found.class_names == ("3", "7")
    assert found.labels.tolist() == [0, 1, 1, 0]
    assert (found.images == images.reshape(4, 9, 9, -1)).all()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"images": np.zeros((2, 8, 8), np.uint8)},
            r"a.npz: holds images; images and labels are needed$",
        ),
        (
            {"images": np.zeros((2, 8, 8)), "labels": np.zeros(2, int)},
            r"a.npz: images \(2, 8, 8\) in float64; .* in uint8 is needed$",
        ),
        (
            {"images": np.zeros((2, 8, 8), np.uint8), "labels": np.zeros(3, int)},
            r"a.npz: labels \(3,\) for images \(2, 8, 8\); one each",
        ),
        (
            {"images": np.zeros((2, 8, 8), np.uint8), "labels": np.zeros(2)},
            r"a.npz: labels in float64; integers or text are needed$",
        ),
        (
            {
                "images": np.zeros((2, 8, 8), np.uint8),
                "labels": np.array([0, 2]),
                "class_names": np.array(["a", "b"]),
            },
            r"a.npz: labels do not fit the 2 class names; integers from 0 to 1 are needed$",
        ),
        (
            {"images": np.zeros((2, 8, 8), np.uint8), "labels": np.array([None, 1])},
            r"a.npz: cannot be read \(Object arrays cannot be",
        ),
    ],
)
def test_wrong_arrays_are_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"b.npz: cannot be read"):
        load(tmp_path / "b.npz")


def table(root: Path, labels: list[Any], names: list[str] | None = None) -> pa.Table:
    data = [
        {"bytes": write(root / "one.png", noise(index)).read_bytes(), "path": None}
        for index in range(len(labels))
    ]
    notes = {
        "huggingface": json.dumps(
            {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        )
    }
    return pa.table({"image": data, "label": labels}).replace_schema_metadata(
        notes if names else None
    )


def test_parquet_in_the_layout_of_hugging_face(tmp_path: Path) -> None:
    place = tmp_path / "set" / "data"
    place.mkdir(parents=True)
    for name, labels in (
        ("train-00000-of-00002", [0, 2]),
        ("train-00001-of-00002", [2]),
        ("validation-0", [0]),
        ("test-0", [1]),
    ):
        pa.parquet.write_table(
            table(tmp_path, labels, ["cat", "cow", "dog"]), place / f"{name}.parquet"
        )
    images = load(tmp_path / "set")
    assert images.class_names == ("cat", "dog")
    assert images.labels.tolist() == [0, 1, 1, 0]
    assert images.held_out.tolist() == [False, False, False, True]
    assert (images.images[2] == decode(noise(0), 8)).all()


def test_arrow_streams_and_labels_of_text(tmp_path: Path) -> None:
    (tmp_path / "set" / "train").mkdir(parents=True)
    found = table(tmp_path, ["cat", "dog", "cat"])
    with pa.ipc.new_stream(
        str(tmp_path / "set" / "train" / "data-00000-of-00001.arrow"), found.schema
    ) as writer:
        writer.write_table(found)
    images = load(tmp_path / "set")
    assert (images.class_names, images.labels.tolist()) == (("cat", "dog"), [0, 1, 0])


def test_wrong_tables_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"none")
    with pytest.raises(DataError, match=r"a.parquet: cannot be read \("):
        load(path)
    pa.parquet.write_table(pa.table({"text": ["a"]}), path)
    with pytest.raises(
        DataError, match=r"a.parquet: has the columns text; one of image, img, .* is needed$"
    ):
        load(path)
    pa.parquet.write_table(
        pa.table({"image": [{"bytes": None, "path": "x.png"}] * 2, "label": [0, 1]}), path
    )
    with pytest.raises(
        DataError,
        match=r"2 of 2 images are unreadable .*row 0 \(no bytes; images stored elsewhere",
    ):
        load(path)


def test_without_pyarrow_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.parquet").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    # Another test may have imported the module that needs it.
    monkeypatch.delitem(sys.modules, "mvt_nas.data.arrow_file", raising=False)
    with pytest.raises(
        DataError, match=r"a.parquet: pyarrow is not installed; pip install 'mvt-nas\[parquet\]'$"
    ):
        load(tmp_path / "a.parquet")


def test_every_source_says_what_it_takes() -> None:
    assert SOURCES.names() == ["digits", "folder", "npz", "parquet"]
    assert all(SOURCES.get(name).summary for name in SOURCES)
