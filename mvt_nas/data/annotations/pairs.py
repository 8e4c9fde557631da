"""Pictures and masks side by side: ``images/train/1.jpg`` with ``masks/train/1.png``; ``val`` beside ``train`` is judged by.

``classes.txt`` names the classes, that of the background first; without it, the task has to say how
many there are.
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

_PICTURES, _MASKS = "images", "masks"
_PARTS = ("train", "val")


def annotated(source: str, kind: str) -> AnnotatedCatalogue:
    """Return what a folder holds.

    Raises:
        DataError: it cannot be read, or a picture has no mask.
    """
    root = Path(source)
    parts = {
        part: _pictures(root / _PICTURES / part)
        for part in _PARTS
        if (root / _PICTURES / part).is_dir()
    }
    parts = parts or {"": _pictures(root / _PICTURES)}
    if not parts.get("train", parts.get("")):
        raise DataError(
            f"{root / _PICTURES}: no pictures to learn from; {_PICTURES}/train/1.jpg with"
            f" {_MASKS}/train/1.png, for example"
        )
    rows = [(part, name) for part, names in parts.items() for name in names]
    pictures = [root / _PICTURES / part / name for part, name in rows]
    masks = [root / _MASKS / part / f"{os.path.splitext(name)[0]}.png" for part, name in rows]
    missing = next((mask for mask in masks if not mask.is_file()), None)
    if missing is not None:
        raise DataError(f"{missing}: no such mask; every picture needs one")
    return AnnotatedCatalogue(
        where=source,
        class_names=named_classes(root),
        held_out=np.array([part == "val" for part, _ in rows]),
        mark=digest(repr(rows).encode("utf-8", "surrogatepass")),
        picture=lambda row: pictures[row].read_bytes(),
        name=lambda row: str(pictures[row]),
        mask=lambda row: read_mask(masks[row]),
    )


def _pictures(folder: Path) -> list[str]:
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
        "a folder of pictures and masks (images/train beside masks/train)",
        (SEGMENTATION,),
        lambda source: (Path(source) / _PICTURES).is_dir() and (Path(source) / _MASKS).is_dir(),
        annotated,
    )
)
