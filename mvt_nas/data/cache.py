"""Cache of decoded datasets on disk.

One folder per dataset: arrays that are mapped into memory (processes on one machine share them) and
the rest as JSON. An entry is built in a temporary folder and renamed in one step; a damaged entry
is built again. If the folder cannot be written, there is no cache.
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
    """Return the folder of the cache: ``$XDG_CACHE_HOME/mvt-nas/images`` or ``~/.cache/...``."""
    return cache_home("images")


def read(folder: Path, key: str) -> ImageDataset | None:
    """Return the dataset under a key, or ``None`` if it is missing or damaged."""
    place = folder / key
    try:
        about = json.loads((place / "set.json").read_text(encoding="utf-8"))
        images, labels, held_out = (
            np.load(place / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _ARRAYS
        )
        return ImageDataset(
            images=images,  # stays mapped; the small arrays are copied into memory
            labels=np.array(labels),
            class_names=tuple(about["class_names"]),
            held_out=np.array(held_out),
            where=about["where"],
            fingerprint=about["fingerprint"],
            skipped=tuple(about["skipped"]),
        )
    except Exception:  # for any damage the remedy is the same: decode the images again
        return None


def write(folder: Path, key: str, images: ImageDataset) -> None:
    """Write a dataset under a key; without effect if that is not possible."""
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
    except OSError:  # another process was faster, or a damaged entry is in the way
        if read(place.parent, place.name) is None:
            with suppress(OSError):
                shutil.rmtree(place)
            os.rename(building, place)
