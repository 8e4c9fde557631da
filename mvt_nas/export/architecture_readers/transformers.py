"""Reads a ``config.json`` for MobileViT or MobileViTV2 of transformers, or of a package."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from mvt_nas.errors import ArchitectureError, ExportError
from mvt_nas.export.base import READERS, ImportedNetwork, NetworkReader
from mvt_nas.export.huggingface.config_to_architecture import DEFAULTS, architecture_of
from mvt_nas.export.huggingface.package import MODEL_TYPE
from mvt_nas.export.huggingface.segmenter import (
    BACKBONE_SIZE,
    FULL_STRIDE,
    is_segmenter,
    task_of,
)
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task

_SUFFIX = ".json"
_FILE_IN_FOLDER = "config.json"
_MAX_BYTES = 10_000_000


def read(path: Path) -> ImportedNetwork | None:
    """Return the architecture of a configuration, or of that in a folder.

    ``None`` for other files, and for configurations of other models.
    """
    if path.is_dir():
        file = path / _FILE_IN_FOLDER
        return read(file) if file.is_file() else None
    if path.suffix != _SUFFIX:
        return None
    configuration = _configuration(path)
    kind = configuration.get("model_type")
    if kind not in (*DEFAULTS, MODEL_TYPE):
        return None
    task = None
    try:
        if kind == MODEL_TYPE:
            architecture = Architecture.from_dict(
                configuration.get("architecture"), f"{path}: architecture"
            )
        else:
            task, architecture = _native(configuration, str(path))
    except ArchitectureError as error:
        message = str(error)
        if not message.startswith(str(path)):
            message = f"{path}: {message}"
        raise ExportError(message) from None
    file_format = f"configuration of transformers, {kind}"
    return ImportedNetwork(architecture, file_format, _settings(configuration), task)


def _native(configuration: dict[str, Any], where: str) -> tuple[Task | None, Architecture]:
    """Return task and architecture of a configuration for the classes of transformers."""
    if not is_segmenter(configuration):
        return None, architecture_of(configuration, where)
    # The reduced output stride belongs to the task; the backbone keeps its own strides.
    architecture = architecture_of(configuration | {"output_stride": FULL_STRIDE}, where)
    task = task_of(configuration, architecture, where)
    side = configuration.get(BACKBONE_SIZE, architecture.resolution_px)
    return task, replace(architecture, resolution_px=side)


def _configuration(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise ExportError(f"{path}: {size} bytes; a configuration has at most {_MAX_BYTES}")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path}: truncated, or no JSON ({error})") from None
    return document if isinstance(document, dict) else {}


def _settings(configuration: dict[str, Any]) -> dict[str, object]:
    settings: dict[str, object] = {}
    labels = configuration.get("id2label")
    if isinstance(labels, dict):
        settings["num_classes"] = len(labels)
    channels = configuration.get("num_channels")
    if type(channels) is int and channels != 3:
        settings["in_channels"] = channels
    return settings


READERS.register("transformers")(
    NetworkReader(
        name="transformers",
        summary="a config.json of transformers for MobileViT or MobileViTV2, or an exported one",
        read=read,
    )
)
