"""Reads configurations for ``mvt-nas train``, including that in the folder of a training."""

from __future__ import annotations

from pathlib import Path

from mvt_nas.errors import ExportError, TrainingError
from mvt_nas.export.base import READERS, ImportedNetwork, NetworkReader
from mvt_nas.training.config import TrainingConfig, read_training_config

_SUFFIXES = (".yaml", ".yml")
_FILE_IN_FOLDER = "config.yaml"
_FORMAT = "a configuration for mvt-nas train"


def read(path: Path) -> ImportedNetwork | None:
    """Return the architecture in a configuration, or in the folder of a training.

    ``None`` for other files, including other YAML.

    Raises:
        ExportError: The file is such a configuration, but damaged.
    """
    file = path / _FILE_IN_FOLDER if path.is_dir() else path
    if file.suffix not in _SUFFIXES or not file.is_file():
        return None
    try:
        if read_training_config(file) is None:
            return None
    except TrainingError:  # not YAML, or none that this package could have written
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
    return ImportedNetwork(config.architecture, _FORMAT, settings, config.task)


READERS.register("trainer")(
    NetworkReader(name="trainer", summary="a configuration for mvt-nas train (.yaml)", read=read)
)
