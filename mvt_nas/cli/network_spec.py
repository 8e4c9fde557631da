"""What people name networks by: a published model, a JSON file, a candidate of a run (``results/x:12``, ``results/x:knee``), a training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mvt_nas.errors import ArchitectureError, TrainingError, listing, nearest
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published_names, zoo

if TYPE_CHECKING:
    from mvt_nas.tasks.base import Task
    from mvt_nas.training.config import TrainingConfig

_CONFIG, _RUN = "config.yaml", "run.yaml"

DEFAULT_CLASSES = 1000
"""Outputs of the classifier where neither the command line nor what was named says how many."""


@dataclass(frozen=True, slots=True)
class ResolvedNetwork:
    """A network that was named.

    Attributes:
        title: what people read.
        stem: what files are called after.
        architecture: of the network.
        num_classes: outputs of its classifier, where a run or a training says so.
        folder: of the training, where one was named.
        config: what that training did.
    """

    title: str
    stem: str
    architecture: Architecture
    num_classes: int | None = None
    folder: Path | None = None
    config: TrainingConfig | None = None

    @property
    def task(self) -> Task | None:
        """The task of the training; ``None`` for classification, and where no training was named."""
        return None if self.config is None else self.config.task

    @property
    def weights(self) -> Path | None:
        """The best weights of the training; ``None`` where none was named.

        Raises:
            TrainingError: it has not ended.
        """
        if self.folder is None:
            return None
        from mvt_nas.training.folder import TrainingFolder

        path = TrainingFolder(self.folder).weights
        if not path.is_file():
            raise TrainingError(
                f"{path}: is missing; the training has not ended, mvt-nas train --resume --out"
                f" {self.folder} goes on with it"
            )
        return path


def resolve(name: str) -> tuple[str, Architecture]:
    """Return a title and the architecture.

    Raises:
        MvtNasError: nothing is called so.
    """
    found = resolve_network(name)
    return found.title, found.architecture


def resolve_network(name: str) -> ResolvedNetwork:
    """Return the network that is called so, with what is known of it.

    Raises:
        MvtNasError: nothing is called so.
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
    raise ArchitectureError(
        f"{name!r} is no published model, file, training or candidate RUN:ID{nearest(name, names)}"
        f" (models: {listing(names)})"
    )


def _candidate(folder: str, which: str) -> ResolvedNetwork:
    from mvt_nas.nas.runs.run import Run

    run = Run.load(folder)
    if which.isdecimal():
        number = int(which)
    else:
        from mvt_nas.report.selectors import select_candidate

        number = select_candidate(run, which)
    return ResolvedNetwork(
        f"{folder}, candidate {number}",
        f"{folder}-{which}",
        run.architecture(number),
        run.config.num_classes,
    )


def _training(folder: Path) -> ResolvedNetwork:
    if (folder / _RUN).is_file():
        raise ArchitectureError(
            f"{folder}: a run, not a network; say which candidate: {folder}:ID, {folder}:knee or"
            f" {folder}:OBJECTIVE"
        )
    if not (folder / _CONFIG).is_file():
        raise ArchitectureError(f"{folder}: a folder, but of no training ({_CONFIG} is missing)")
    from mvt_nas.training.config import TrainingConfig

    config = TrainingConfig.load(folder / _CONFIG)
    return ResolvedNetwork(
        str(folder), config.name, config.architecture, config.num_classes, folder, config
    )
