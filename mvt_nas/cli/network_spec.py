"""Network specifications on the command line.

A network is specified by the name of a published model, a JSON file, a candidate of a run
(``results/x:12``, ``results/x:knee``), or the folder of a training.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mvt_nas.errors import ArchitectureError, TrainingError, listing, nearest
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published_names, zoo
from mvt_nas.tasks.base import Task

if TYPE_CHECKING:
    from mvt_nas.training.config import TrainingConfig

_CONFIG, _RUN = "config.yaml", "run.yaml"

DEFAULT_CLASSES = 1000
"""Outputs of the classifier if neither the command line nor the specification gives them."""


@dataclass(frozen=True, slots=True)
class ResolvedNetwork:
    """The network of a specification.

    Attributes:
        title: Name of the network for people.
        stem: Name of the network for file names.
        architecture: Architecture of the network.
        num_classes: Outputs of its classifier, if a run or a training gives them.
        folder: Folder of the training, if the specification is one.
        config: Configuration of that training.
    """

    title: str
    stem: str
    architecture: Architecture
    num_classes: int | None = None
    folder: Path | None = None
    config: TrainingConfig | None = None

    @property
    def task(self) -> Task | None:
        """Task of the training; ``None`` for classification and without a training."""
        return None if self.config is None else self.config.task

    @property
    def weights(self) -> Path | None:
        """Best weights of the training; ``None`` without a training.

        Raises:
            TrainingError: The training has not ended.
        """
        if self.folder is None:
            return None
        from mvt_nas.training.folder import TrainingFolder

        path = TrainingFolder(self.folder).weights
        if not path.is_file():
            raise TrainingError(
                f"{path}: is missing; the training has not ended, mvt-nas train --resume --out"
                f" {self.folder} continues it"
            )
        return path


def resolve(name: str) -> tuple[str, Architecture]:
    """Return the title and the architecture of a network specification.

    Raises:
        MvtNasError: The specification matches no network.
    """
    found = resolve_network(name)
    return found.title, found.architecture


def resolve_network(name: str) -> ResolvedNetwork:
    """Return the network of a specification.

    Raises:
        MvtNasError: The specification matches no network.
    """
    if name in published_names():
        return ResolvedNetwork(name, name, zoo(name))
    if Path(name).is_dir():
        return _training(Path(name))
    if Path(name).is_file():
        return ResolvedNetwork(name, name, Architecture.load(name))
    folder, _, which = name.rpartition(":")
    if folder and which:
        return _candidate(folder, which)
    names = published_names()
    near = nearest(name, names)
    raise ArchitectureError(
        f"{name!r} is not a published model, file, training or candidate RUN:ID{near} (models:"
        f" {listing(names)})"
    )


def _candidate(folder: str, which: str) -> ResolvedNetwork:
    # Loads NumPy.
    from mvt_nas.report.selectors import load_candidate

    run, number = load_candidate(folder, which)
    return ResolvedNetwork(
        f"{folder}, candidate {number}",
        f"{folder}-{which}",
        run.architecture(number),
        run.config.num_classes,
    )


def _training(folder: Path) -> ResolvedNetwork:
    if (folder / _RUN).is_file():
        raise ArchitectureError(
            f"{folder}: a run, not a network; specify a candidate: {folder}:ID, {folder}:knee or"
            f" {folder}:OBJECTIVE"
        )
    if not (folder / _CONFIG).is_file():
        raise ArchitectureError(f"{folder}: not the folder of a training ({_CONFIG} is missing)")
    # Loads PyYAML.
    from mvt_nas.training.config import TrainingConfig

    config = TrainingConfig.load(folder / _CONFIG)
    return ResolvedNetwork(
        str(folder), config.name, config.architecture, config.num_classes, folder, config
    )
