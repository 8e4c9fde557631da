"""Reads JSON of this package: an architecture, alone or as an entry of a larger document."""

from __future__ import annotations

import json
from pathlib import Path

from mvt_nas.errors import ArchitectureError, ExportError
from mvt_nas.export.base import READERS, ImportedNetwork, NetworkReader
from mvt_nas.space.architecture import Architecture

_SUFFIX = ".json"
_MAX_BYTES = 10_000_000
_FORMAT = "architecture of mvt-nas, JSON"
_FORMAT_NESTED = f"JSON with an {_FORMAT}"


def read(path: Path) -> ImportedNetwork | None:
    """Return the architecture in a ``.json`` file; ``None`` for other files and other JSON."""
    if path.suffix != _SUFFIX or path.is_dir():
        return None
    document = _document(path)
    if not isinstance(document, dict):
        return None
    if _is_architecture(document):
        return ImportedNetwork(_architecture(document, path), _FORMAT)
    nested = document.get("architecture")
    # A document with a model type is a configuration of transformers, which has its own reader.
    if _is_architecture(nested) and "model_type" not in document:
        return ImportedNetwork(_architecture(nested, path), _FORMAT_NESTED, _settings(document))
    return None


def _is_architecture(data: object) -> bool:
    return isinstance(data, dict) and {"stages", "stem_width"} <= set(data)


def _document(path: Path) -> object:
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise ExportError(
            f"{path}: {size} bytes; a file with an architecture has at most {_MAX_BYTES}"
        )
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path}: truncated, or no JSON ({error})") from None


def _architecture(data: object, path: Path) -> Architecture:
    try:
        return Architecture.from_dict(data, str(path))
    except ArchitectureError as error:
        raise ExportError(str(error)) from None


def _settings(document: dict[str, object]) -> dict[str, object]:
    """Return the scalar entries next to the architecture."""
    return {
        name: value
        for name, value in document.items()
        if isinstance(value, str | int | float | bool)
    }


READERS.register("json")(
    NetworkReader(
        name="json",
        summary="JSON with an architecture, such as `mvt-nas show --arch-json` prints",
        read=read,
    )
)
