"""Folders of images and masks: ``images/train/1.jpg`` with ``masks/train/1.png``, likewise ``val``.

``classes.txt`` names the classes, beginning with the background; without it, the task has to give
their number.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from mvt_nas.data.annotated_source import (
    ANNOTATIONS,
    SEGMENTATION,
    AnnotatedCatalogue,
    AnnotatedSource,
)
from mvt_nas.data.annotations.class_file import named_classes
from mvt_nas.data.annotations.index_mask import read_mask
from mvt_nas.data.dataset import digest
from mvt_nas.data.sources.folder import SUFFIXES
from mvt_nas.errors import DataError

_IMAGES, _MASKS = "images", "masks"
_PARTS = ("train", "val")


def annotated(source: str, kind: str) -> AnnotatedCatalogue:
    """Return the content of a folder.

    Raises:
        DataError: it cannot be read, or an image has no mask.
    """
    root = Path(source)
    parts = {
        part: _image_names(root / _IMAGES / part)
        for part in _PARTS
        if (root / _IMAGES / part).is_dir()
    }
    # Without parts, all images are in one folder.
    parts = parts or {"": _image_names(root / _IMAGES)}
    if not parts.get("train", parts.get("")):
        raise DataError(
            f"{root / _IMAGES}: no training images; {_IMAGES}/train/1.jpg with"
            f" {_MASKS}/train/1.png, for example"
        )
    rows = [(part, name) for part, names in parts.items() for name in names]
    images = [root / _IMAGES / part / name for part, name in rows]
    masks = [root / _MASKS / part / f"{os.path.splitext(name)[0]}.png" for part, name in rows]
    missing = next((mask for mask in masks if not mask.is_file()), None)
    if missing is not None:
        raise DataError(f"{missing}: no such mask; every image needs one")
    return AnnotatedCatalogue(
        where=source,
        class_names=named_classes(root),
        held_out=np.array([part == "val" for part, _ in rows]),
        mark=digest(repr(rows).encode("utf-8", "surrogatepass")),
        image=lambda row: images[row].read_bytes(),
        name=lambda row: str(images[row]),
        mask=lambda row: read_mask(masks[row]),
    )


def _image_names(folder: Path) -> list[str]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})") from None
    return [
        name
        for name in names
        if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith(".")
    ]


ANNOTATIONS.register("pairs")(
    AnnotatedSource(
        "a folder of images and masks (images/train next to masks/train)",
        (SEGMENTATION,),
        lambda source: (Path(source) / _IMAGES).is_dir() and (Path(source) / _MASKS).is_dir(),
        annotated,
    )
)
