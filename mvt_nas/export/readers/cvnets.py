"""A YAML of ml-cvnets: our own, with the architecture in it, or a stock one of MobileViT v1, v2 or v3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mvt_nas.errors import ArchitectureError, ExportError, SpaceError, listing
from mvt_nas.export.base import READERS, ImportedNetwork, NetworkReader
from mvt_nas.export.cvnets.published_yaml import MODELS, stock_architecture
from mvt_nas.export.cvnets.yaml_file import ARCHITECTURE_KEY, TASK_KEY
from mvt_nas.export.readers.python import read as read_python
from mvt_nas.export.readers.python import task_from_json
from mvt_nas.space.architecture import Architecture

_SUFFIXES = (".yaml", ".yml")
_NAME = "model.classification.name"
_CLASSES = "model.classification.n_classes"


def read(path: Path) -> ImportedNetwork | None:
    """Return the architecture of a YAML, or of the first one in a folder that is one of ml-cvnets; ``None`` for other files."""
    if path.is_dir():
        found = (
            read(file)
            for file in sorted(path.iterdir())
            if file.is_file() and file.suffix in _SUFFIXES
        )
        return next((one for one in found if one is not None), None)
    if path.suffix not in _SUFFIXES:
        return None
    settings = _settings(path)
    if _NAME not in settings:
        return None
    try:
        return _found(settings, path)
    except ArchitectureError as error:
        text = str(error)
        raise ExportError(text if text.startswith(str(path)) else f"{path}: {text}") from None


def _found(settings: dict[str, Any], path: Path) -> ImportedNetwork:
    name = settings[_NAME]
    beside = {"model": name} | (
        {"num_classes": settings[_CLASSES]} if type(settings.get(_CLASSES)) is int else {}
    )
    if ARCHITECTURE_KEY in settings:
        architecture = Architecture.from_json(
            str(settings[ARCHITECTURE_KEY]), f"{path}: {ARCHITECTURE_KEY}"
        )
        task = task_from_json(settings.get(TASK_KEY), f"{path}: {TASK_KEY}")
        beside |= {} if task is None else {"num_classes": task.num_classes}
        return ImportedNetwork(architecture, "settings for ml-cvnets by mvt-nas", beside, task)
    if name in MODELS:
        return ImportedNetwork(stock_architecture(settings, path), "settings for ml-cvnets", beside)
    return _beside(path, name)


def _beside(path: Path, name: object) -> ImportedNetwork:
    """Return what the model file beside a YAML says."""
    model = path.with_name(f"{name}.py") if isinstance(name, str) and name.isidentifier() else path
    found = read_python(model) if model.is_file() else None
    if found is None:
        raise ExportError(
            f"{path}: {_NAME} = {name!r}, whose layers are in a Python file of ml-cvnets, not in"
            f" its YAML; one of {listing(MODELS)}, or with {name}.py of mvt-nas beside it"
        )
    return found


def _settings(path: Path) -> dict[str, Any]:
    from mvt_nas._yaml import read_yaml

    try:
        return dict(_flat(read_yaml(path), ""))
    except SpaceError as error:
        raise ExportError(str(error)) from None


def _flat(data: object, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield the settings by their whole names, as ml-cvnets joins them."""
    if not isinstance(data, dict):
        return
    for key, value in data.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, dict):
            yield from _flat(value, name)
        else:
            yield name, value


READERS.register("cvnets")(
    NetworkReader(
        name="cvnets",
        summary="a YAML of ml-cvnets for MobileViT v1, v2 or v3, or an exported one",
        read=read,
    )
)
