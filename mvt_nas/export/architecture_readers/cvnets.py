"""Reads YAML files of ml-cvnets: exported ones, and published ones of MobileViT v1, v2 or v3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mvt_nas._yaml import read_yaml
from mvt_nas.errors import ArchitectureError, ExportError, SpaceError, listing
from mvt_nas.export.architecture_readers.python import read as read_python
from mvt_nas.export.architecture_readers.python import task_from_json
from mvt_nas.export.base import READERS, ImportedNetwork, NetworkReader
from mvt_nas.export.cvnets.published_yaml import MODELS, published_architecture
from mvt_nas.export.cvnets.yaml_file import ARCHITECTURE_KEY, TASK_KEY
from mvt_nas.space.architecture import Architecture

_SUFFIXES = (".yaml", ".yml")
_NAME = "model.classification.name"
_CLASSES = "model.classification.n_classes"
_FORMAT = "settings for ml-cvnets"
_FORMAT_EXPORTED = "settings for ml-cvnets by mvt-nas"


def read(path: Path) -> ImportedNetwork | None:
    """Return the architecture of a YAML of ml-cvnets, or of the first one in a folder.

    ``None`` for other files.
    """
    if path.is_dir():
        return _first_in_folder(path)
    if path.suffix not in _SUFFIXES:
        return None
    settings = _settings(path)
    if _NAME not in settings:
        return None
    try:
        return _network(settings, path)
    except ArchitectureError as error:
        message = str(error)
        if not message.startswith(str(path)):
            message = f"{path}: {message}"
        raise ExportError(message) from None


def _first_in_folder(folder: Path) -> ImportedNetwork | None:
    for file in sorted(folder.iterdir()):
        if file.is_file() and file.suffix in _SUFFIXES:
            network = read(file)
            if network is not None:
                return network
    return None


def _network(settings: dict[str, Any], path: Path) -> ImportedNetwork:
    name = settings[_NAME]
    kept: dict[str, object] = {"model": name}
    if type(settings.get(_CLASSES)) is int:
        kept["num_classes"] = settings[_CLASSES]
    if ARCHITECTURE_KEY in settings:
        architecture = Architecture.from_json(
            str(settings[ARCHITECTURE_KEY]), f"{path}: {ARCHITECTURE_KEY}"
        )
        task = task_from_json(settings.get(TASK_KEY), f"{path}: {TASK_KEY}")
        if task is not None:  # the classes in the YAML are those of the encoder's classifier
            kept["num_classes"] = task.num_classes
        return ImportedNetwork(architecture, _FORMAT_EXPORTED, kept, task)
    if name in MODELS:
        return ImportedNetwork(published_architecture(settings, path), _FORMAT, kept)
    return _from_model_file(path, name)


def _from_model_file(path: Path, name: object) -> ImportedNetwork:
    """Return the network in the exported model file next to a YAML."""
    model_file = path
    if isinstance(name, str) and name.isidentifier():
        model_file = path.with_name(f"{name}.py")
    network = read_python(model_file) if model_file.is_file() else None
    if network is None:
        raise ExportError(
            f"{path}: {_NAME} = {name!r}, whose layers are in a Python file of ml-cvnets, not in"
            f" its YAML; one of {listing(MODELS)}, or with {name}.py of mvt-nas next to it"
        )
    return network


def _settings(path: Path) -> dict[str, Any]:
    try:
        return dict(_flattened(read_yaml(path), ""))
    except SpaceError as error:
        raise ExportError(str(error)) from None


def _flattened(data: object, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield the settings by their full names, joined by dots as in ml-cvnets."""
    if not isinstance(data, dict):
        return
    for key, value in data.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, dict):
            yield from _flattened(value, name)
        else:
            yield name, value


READERS.register("cvnets")(
    NetworkReader(
        name="cvnets",
        summary="a YAML of ml-cvnets for MobileViT v1, v2 or v3, or an exported one",
        read=read,
    )
)
