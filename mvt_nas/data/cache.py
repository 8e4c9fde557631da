"""Decoded pictures on disk, so that the next start does not decode them again.

One folder per set: arrays that are mapped into memory (processes on one machine share them) and the
rest as JSON. An entry is built beside its place and moved there in one step; one that is damaged is
built anew. Where nothing can be written, there is no cache.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np

from mvt_nas._io import cache_home
from mvt_nas.data.dataset import ImageDataset

_ARRAYS = ("images", "labels", "held_out")


def cache_folder() -> Path:
    """Return where decoded pictures are kept: ``$XDG_CACHE_HOME/mvt-nas/images``, or ``~/.cache/mvt-nas/images``."""
    return cache_home("images")


def read(folder: Path, key: str) -> ImageDataset | None:
    """Return the set that is kept under a key, ``None`` where there is none that is whole."""
    place = folder / key
    try:
        about = json.loads((place / "set.json").read_text(encoding="utf-8"))
        images, labels, held_out = (
            np.load(place / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _ARRAYS
        )
        rest = (
            tuple(about["class_names"]),
            np.array(held_out),
            about["where"],
            about["fingerprint"],
            tuple(about["skipped"]),
        )
        return ImageDataset(images, np.array(labels), *rest)
    except Exception:  # whatever is wrong with it, the pictures are decoded again
        return None


def write(folder: Path, key: str, images: ImageDataset) -> None:
    """Keep a set under a key; without effect where that is not possible."""
    building = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f"{key}.", dir=folder))
        for name in _ARRAYS:
            np.save(building / f"{name}.npy", getattr(images, name), allow_pickle=False)
        about = {
            name: getattr(images, name)
            for name in ("class_names", "where", "fingerprint", "skipped")
        }
        (building / "set.json").write_text(json.dumps(about), encoding="utf-8")
        _move(building, folder / key)
    except OSError:
        return
    finally:
        if building is not None:
            shutil.rmtree(building, ignore_errors=True)


def _move(building: Path, place: Path) -> None:
    try:
        os.rename(building, place)
    except OSError:  # another process was quicker, or a damaged entry is in the way
        if read(place.parent, place.name) is None:
            with suppress(OSError):
                shutil.rmtree(place)
            os.rename(building, place)
