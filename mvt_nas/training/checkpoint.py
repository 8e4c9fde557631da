"""The whole state of a training in one file, which is replaced in one step and read without running anything in it.

Random numbers need not be kept: whatever is random is drawn anew from the seed and the place in the
training that the state holds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mvt_nas.checkpoints.safe_load import read_file
from mvt_nas.errors import CheckpointError, TrainingError

_FORMAT = 1
_MARK = "mvt_nas_training"


def save(path: Path, identity: Mapping[str, Any], content: Mapping[str, Any]) -> None:
    """Write a checkpoint; whatever happens meanwhile, a reader finds the old one or the new one, whole.

    Raises:
        TrainingError: it cannot be written.
    """
    building = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with building.open("wb") as file:
            torch.save({_MARK: _FORMAT, "identity": dict(identity), **content}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(building, path)
    except (OSError, RuntimeError) as error:  # torch's writer raises the latter on a full disk
        building.unlink(missing_ok=True)
        raise TrainingError(
            f"{path}: cannot be written ({getattr(error, 'strerror', None) or error})"
        ) from None


def load(path: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what was saved, ``None`` where there is no file.

    Raises:
        TrainingError: it cannot be read, holds more than plain data, or is of another training.
    """
    if not path.exists():
        return None
    try:
        content = read_file(path)
    except CheckpointError as error:
        raise TrainingError(f"{error}; delete it to begin anew") from None
    if not isinstance(content, dict) or not isinstance(content.get("identity"), dict):
        raise TrainingError(
            f"{path}: no checkpoint of a training; delete it or give another place with --out"
        )
    if content.get(_MARK) != _FORMAT:
        raise TrainingError(
            f"{path}: {_MARK} = {content.get(_MARK)!r} is not known; this version reads {_FORMAT}"
        )
    for name, value in identity.items():
        if content["identity"].get(name) != value:
            there = content["identity"].get(name)
            raise TrainingError(
                f"{path}: of another training ({name} = {there!r}, not {value!r}); give another"
                " place with --out"
            )
    return content
