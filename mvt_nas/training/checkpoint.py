"""The whole state of a training in one file, replaced atomically and read without running code.

Random states need not be saved: all random numbers are drawn from the seed and the position in the
training, which is part of the state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from mvt_nas._io import atomic_write
from mvt_nas.checkpoints.safe_load import read_file
from mvt_nas.errors import CheckpointError, TrainingError

_FORMAT = 1
_MARK = "mvt_nas_training"
_EARLIER_MARK = "format"
"""The key of the version in files that short trainings wrote before they shared this format."""


def save(path: Path, identity: Mapping[str, Any], content: Mapping[str, Any]) -> None:
    """Write a checkpoint; a reader finds the old one or the new one, whole.

    Args:
        path: File to write; missing folders are made.
        identity: What a training must have in common with this one to resume from the file.
        content: Plain data and tensors.

    Raises:
        TrainingError: it cannot be written.
    """
    with atomic_write(path, error=TrainingError) as file:
        torch.save({_MARK: _FORMAT, "identity": dict(identity), **content}, file)


def load(path: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the content of a checkpoint, ``None`` if there is no file.

    Raises:
        TrainingError: it cannot be read, holds more than plain data, or is of another training.
    """
    if not path.exists():
        return None
    try:
        content = read_file(path)
    except CheckpointError as error:
        raise TrainingError(f"{error}; delete it to start again") from None
    if not isinstance(content, dict) or not isinstance(content.get("identity"), dict):
        raise TrainingError(
            f"{path}: not a checkpoint of a training; delete it or choose another path"
        )
    version = content.get(_MARK, content.get(_EARLIER_MARK))
    if version != _FORMAT:
        raise TrainingError(
            f"{path}: {_MARK} = {version!r} is not known; this version reads {_FORMAT}"
        )
    for name, value in identity.items():
        saved = content["identity"].get(name)
        if saved != value:
            raise TrainingError(
                f"{path}: checkpoint of another training ({name} = {saved!r}, not {value!r});"
                " choose another path"
            )
    return content


@contextmanager
def reporting_damage(path: Path) -> Iterator[None]:
    """Restore from the content of a checkpoint within the block; say so if it is damaged.

    Raises:
        TrainingError: the block failed because a part is missing or has another form.
    """
    try:
        yield
    except (KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise TrainingError(f"{path}: damaged ({reason}); delete it to start again") from None
