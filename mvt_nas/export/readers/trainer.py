"""Reads configurations for ``mvt-nas train``, also that in the folder of a training."""

from __future__ import annotations

from pathlib import Path

from mvt_nas.errors import ExportError, TrainingError
from mvt_nas.export.base import READERS, ImportedNetwork, NetworkReader
from mvt_nas.training.config import TrainingConfig, read_training_config

_SUFFIXES = (".yaml", ".yml")
_IN_FOLDER = "config.yaml"


def find(path: Path) -> ImportedNetwork | None:
    """Return the architecture in a configuration, or in the folder of a training; ``None`` where the file is of another form.

    Raises:
        ExportError: it is such a configuration, but damaged.
    """
    file = path / _IN_FOLDER if path.is_dir() else path
    if file.suffix not in _SUFFIXES or not file.is_file():
        return None
    try:
        marked = read_training_config(file)
    except TrainingError:  # no YAML that we could have written
        return None
    if marked is None:
        return None
    try:
        config = TrainingConfig.load(file)
    except TrainingError as error:
        raise ExportError(str(error)) from None
    settings = {
        "num_classes": config.num_classes,
        "nearest": config.nearest,
        "recipe": config.recipe.to_dict(),
    }
    return ImportedNetwork(
        config.architecture, "a configuration for mvt-nas train", settings, config.task
    )


READERS.register("trainer")(
    NetworkReader(name="trainer", summary="a configuration for mvt-nas train (.yaml)", read=find)
)
