"""The table of trained networks by which a run predicts accuracy, and the copy that its folder keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mvt_nas.accuracy.predicted import PredictedAccuracy
from mvt_nas.accuracy.quality import (
    SurrogateQuality,
    quality,
    quality_file,
    table_hash,
    write_quality,
)
from mvt_nas.accuracy.table import AccuracyTable, read_table
from mvt_nas.errors import AccuracyError, RunError
from mvt_nas.resources import default_table
from mvt_nas.space.search_space import SearchSpace

FILE = "accuracy.csv"


@dataclass(frozen=True, slots=True)
class AccuracyModel:
    """Trained networks, and what is known of the surrogate that is fitted to them.

    Attributes:
        name: of the table.
        hash: of its content.
        table: the trained networks.
        quality: of the surrogate.
        text: the file.
    """

    name: str
    hash: str
    table: AccuracyTable
    quality: SurrogateQuality
    text: bytes

    def in_space(self, space: SearchSpace) -> PredictedAccuracy:
        """Return the surrogate for the rows of a space."""
        return PredictedAccuracy(self.table, space, self.quality.surrogate(self.table))

    def about(self) -> dict[str, str]:
        """Return what a run's configuration says of it."""
        return {"table": self.name, "hash": self.hash}


def load_accuracy_model(path: Path | None = None, name: str | None = None) -> AccuracyModel:
    """Return the table in a file; the one that ships without.

    The first use of a table takes some ten seconds, in which it is found out what its surrogate is
    worth.

    Raises:
        AccuracyError: it cannot be read, or holds too few networks.
        TrainingError: its protocol is damaged.
    """
    path = path or default_table()
    text = _bytes(path)
    return AccuracyModel(name or path.stem, table_hash(path), read_table(path), quality(path), text)


def write_accuracy_model(folder: Path, accuracy: AccuracyModel | None) -> None:
    """Write a copy into a run folder.

    Raises:
        RunError: it cannot be written.
    """
    if accuracy is None:
        return
    try:
        (folder / FILE).write_bytes(accuracy.text)
        write_quality(accuracy.quality, accuracy.hash, quality_file(folder / FILE))
    except OSError as error:
        raise RunError(f"{folder / FILE}: cannot be written ({error.strerror or error})") from None


def read_accuracy_model(folder: Path, about: Mapping[str, str]) -> AccuracyModel | None:
    """Return the table in a run folder that its configuration speaks of, ``None`` where it speaks of none.

    Raises:
        RunError: the copy is missing, damaged, or not the one that the run was started with.
    """
    if not about:
        return None
    path = folder / FILE
    try:
        digest = table_hash(path)
        if digest != about["hash"]:
            raise RunError(
                f"the run's copy of trained networks was changed ({path}: hash {digest}, not"
                f" {about['hash']}); restore it"
            )
        return load_accuracy_model(path, about["table"])
    except AccuracyError as error:
        raise RunError(
            f"the run's copy of trained networks cannot be used ({error}); restore it or start a"
            " new run"
        ) from None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AccuracyError(f"{path}: cannot be read ({error.strerror})") from None
