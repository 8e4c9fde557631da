"""The state of a training between two epochs, in one file that is replaced in one step.

Random numbers need not be kept: each epoch draws its own from the seed and its number.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mvt_nas.errors import TrainingError

_FORMAT = 1


def save(path: Path, identity: Mapping[str, Any], content: Mapping[str, Any]) -> None:
    """Write a checkpoint; a reader finds the old one or the new one, whole.

    Raises:
        TrainingError: it cannot be written.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = file.name
            torch.save({"format": _FORMAT, "identity": dict(identity), **content}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise TrainingError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def load(path: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what was saved, ``None`` where there is no file.

    Raises:
        TrainingError: it cannot be read, or is of another training.
    """
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever a damaged file makes of it
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TrainingError(
            f"{path}: cannot be read ({reason[:120]}); delete it to begin anew"
        ) from None
    if (
        not isinstance(content, dict)
        or content.get("format") != _FORMAT
        or not isinstance(content.get("identity"), dict)
    ):
        raise TrainingError(f"{path}: no checkpoint of a training; delete it or give another place")
    for name, value in identity.items():
        if content["identity"].get(name) != value:
            raise TrainingError(
                f"{path}: of another training ({name} = {content['identity'].get(name)!r}, not"
                f" {value!r})"
            )
    return content
