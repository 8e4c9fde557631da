"""Curves for TensorBoard, if it is installed, by Fabric's logger.

The CSV is our own: Fabric's starts again after every interruption, whereas ``history.py`` writes
the whole history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvt_nas._optional import installed
from mvt_nas.errors import TrainingError
from mvt_nas.training.folder import TrainingFolder

if TYPE_CHECKING:
    from lightning_fabric.loggers.tensorboard import TensorBoardLogger

_PACKAGES = ("tensorboard", "tensorboardX")


def tensorboard_writer(
    folder: TrainingFolder, requested: bool | None, epochs: int
) -> list[TensorBoardLogger]:
    """Return the loggers of a training.

    Args:
        folder: Folder of the training.
        requested: Whether to write curves; ``None``: if TensorBoard is installed.
        epochs: Number of finished epochs; curves of later ones, from before an interruption, are
            not shown.

    Raises:
        TrainingError: curves are requested, but neither TensorBoard nor tensorboardX is installed.
    """
    available = any(installed(package) for package in _PACKAGES)
    if requested and not available:
        raise TrainingError(
            "neither tensorboard nor tensorboardX is installed; pip install tensorboard"
        )
    if requested is False or not available:
        return []
    from lightning_fabric.loggers.tensorboard import TensorBoardLogger

    logger = TensorBoardLogger(
        folder.path,
        name=folder.tensorboard.name,
        version="",
        purge_step=epochs + 1 if epochs else None,
        # Files of the same second would otherwise have the same name.
        filename_suffix=f".{epochs}",
    )
    return [logger]
