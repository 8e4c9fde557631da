"""A ``config.json`` of transformers: of its MobileViT and MobileViTV2, or of an exported package; or a folder with one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from mvt_nas.errors import ArchitectureError, ExportError
from mvt_nas.export.base import READERS, ImportedNetwork, NetworkReader
from mvt_nas.export.huggingface.config_to_architecture import DEFAULTS, architecture_of
from mvt_nas.export.huggingface.package import MODEL_TYPE
from mvt_nas.export.huggingface.segmenter import BACKBONE_SIZE, WHOLE, segments, task_of
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task

_FILE = "config.json"
_LARGEST = 10_000_000


def read(path: Path) -> ImportedNetwork | None:
    """Return the architecture of a configuration; ``None`` for other files, and for configurations of other models."""
    if path.is_dir():
        return read(path / _FILE) if (path / _FILE).is_file() else None
    if path.suffix != ".json":
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
        text = str(error)
        raise ExportError(text if text.startswith(str(path)) else f"{path}: {text}") from None
    return ImportedNetwork(
        architecture, f"configuration of transformers, {kind}", _settings(configuration), task
    )


def _native(configuration: dict[str, Any], where: str) -> tuple[Task | None, Architecture]:
    """Return task and architecture of a configuration of transformers' own; a segmenter's strides are the task's."""
    if not segments(configuration):
        return None, architecture_of(configuration, where)
    architecture = architecture_of(configuration | {"output_stride": WHOLE}, where)
    task = task_of(configuration, architecture, where)
    side = configuration.get(BACKBONE_SIZE, architecture.resolution_px)
    return task, replace(architecture, resolution_px=side)


def _configuration(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    if size > _LARGEST:
        raise ExportError(f"{path}: {size} bytes; a configuration has at most {_LARGEST}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path}: truncated, or no JSON ({error})") from None
    return found if isinstance(found, dict) else {}


def _settings(configuration: dict[str, Any]) -> dict[str, object]:
    labels, channels = configuration.get("id2label"), configuration.get("num_channels")
    found: dict[str, object] = {"num_classes": len(labels)} if isinstance(labels, dict) else {}
    return found | ({"in_channels": channels} if type(channels) is int and channels != 3 else {})


READERS.register("transformers")(
    NetworkReader(
        name="transformers",
        summary="a config.json of transformers for MobileViT or MobileViTV2, or an exported one",
        read=read,
    )
)
