"""Curves for TensorBoard, where it is installed, by Fabric's logger.

The CSV is ours: Fabric's begins anew in every sitting, this one is exact across them (see
``rows.py``).
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
    folder: TrainingFolder, wanted: bool | None, epochs: int
) -> list[TensorBoardLogger]:
    """Return the loggers of a training.

    Args:
        folder: of the training.
        wanted: whether curves are; ``None``: where TensorBoard is installed.
        epochs: that are finished; what an earlier sitting wrote of later ones is not shown.

    Raises:
        TrainingError: curves are wanted, but neither TensorBoard nor tensorboardX is installed.
    """
    there = any(installed(package) for package in _PACKAGES)
    if wanted and not there:
        raise TrainingError(
            "neither tensorboard nor tensorboardX is installed; pip install tensorboard"
        )
    if wanted is False or not there:
        return []
    from lightning_fabric.loggers.tensorboard import TensorBoardLogger

    began, suffix = (
        epochs + 1 if epochs else None,
        f".{epochs}",
    )  # two sittings within a second would share a file
    return [
        TensorBoardLogger(
            folder.path,
            name=folder.tensorboard.name,
            version="",
            purge_step=began,
            filename_suffix=suffix,
        )
    ]
