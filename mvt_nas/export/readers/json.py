"""Our own JSON: an architecture, alone or under ``architecture`` in a larger document, such as a configuration of a training."""

from __future__ import annotations

import json
from pathlib import Path

from mvt_nas.errors import ArchitectureError, ExportError
from mvt_nas.export.base import READERS, ImportedNetwork, NetworkReader
from mvt_nas.space.architecture import Architecture

_SUFFIX = ".json"
_LARGEST = 10_000_000
_FORM = "architecture of mvt-nas, JSON"


def read(path: Path) -> ImportedNetwork | None:
    """Return the architecture in a file; ``None`` where it holds other JSON."""
    if path.suffix != _SUFFIX or path.is_dir():
        return None
    document = _document(path)
    for form, data in ((_FORM, document), (f"JSON with an {_FORM}", _below(document))):
        if isinstance(data, dict) and {"stages", "stem_width"} <= set(data):
            return ImportedNetwork(
                _architecture(data, path), form, _settings(document) if data is not document else {}
            )
    return None


def _document(path: Path) -> object:
    size = path.stat().st_size
    if size > _LARGEST:
        raise ExportError(
            f"{path}: {size} bytes; a file with an architecture has at most {_LARGEST}"
        )
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path}: truncated, or no JSON ({error})") from None


def _below(document: object) -> object:
    """Return what is called ``architecture``, unless the document is a model's of transformers, which is for another reader."""
    return (
        document.get("architecture")
        if isinstance(document, dict) and "model_type" not in document
        else None
    )


def _architecture(data: dict[str, object], path: Path) -> Architecture:
    try:
        return Architecture.from_dict(data, str(path))
    except ArchitectureError as error:
        raise ExportError(str(error)) from None


def _settings(document: object) -> dict[str, object]:
    """Return what stands beside the architecture and is one number or word."""
    assert isinstance(document, dict)
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
