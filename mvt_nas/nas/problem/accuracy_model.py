"""The table of trained networks with which a run predicts accuracy, and its copy in the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mvt_nas.accuracy.predicted import OwnDataInSpace, PredictedAccuracy, SurrogateInSpace
from mvt_nas.accuracy.protocol import at_protocol
from mvt_nas.accuracy.quality import (
    SurrogateQuality,
    own_data_model,
    quality,
    quality_file,
    table_hash,
    write_quality,
)
from mvt_nas.accuracy.surrogate import AccuracyEstimates
from mvt_nas.accuracy.table import AccuracyTable, read_table
from mvt_nas.errors import AccuracyError, RunError
from mvt_nas.resources import default_table
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.search_space import SearchSpace

FILE = "accuracy.csv"


@dataclass(frozen=True, slots=True)
class AccuracyModel:
    """Trained networks, and the quality of the surrogate that is fitted to them.

    Attributes:
        name: Name of the table.
        hash: Hash of the table's content.
        table: The trained networks.
        quality: Quality of the surrogate.
        text: Content of the table's file.
    """

    name: str
    hash: str
    table: AccuracyTable
    quality: SurrogateQuality
    text: bytes

    def in_space(self, space: SearchSpace) -> PredictedAccuracy:
        """Return what predicts accuracy for the rows of a space."""
        if self.quality.by_law:
            return OwnDataInSpace(self.table, space, own_data_model(self.table))
        return SurrogateInSpace(self.table, space, self.quality.surrogate(self.table))

    def predict(self, architectures: Sequence[Architecture]) -> AccuracyEstimates:
        """Return the estimates of architectures, which are adapted to the table's protocol."""
        as_trained = [at_protocol(one, self.table) for one in architectures]
        if self.quality.by_law:
            return own_data_model(self.table).predict(as_trained)
        return self.quality.surrogate(self.table).predict(as_trained)

    def about(self) -> dict[str, str]:
        """Return the name and hash for a run's configuration."""
        return {"table": self.name, "hash": self.hash}


def load_accuracy_model(path: Path | None = None, name: str | None = None) -> AccuracyModel:
    """Return the table in a file; by default the shipped one.

    The first use of a table takes about ten seconds for the cross-validation of its surrogate.

    Args:
        path: File of the table.
        name: Name of the table; by default that of the file.

    Raises:
        AccuracyError: The table cannot be read, or has too few networks.
        TrainingError: The table's training recipe is damaged.
    """
    path = path or default_table()
    text = _bytes(path)
    return AccuracyModel(name or path.stem, table_hash(path), read_table(path), quality(path), text)


def write_accuracy_model(folder: Path, accuracy: AccuracyModel | None) -> None:
    """Write a copy of the table into a run folder.

    Raises:
        RunError: The copy cannot be written.
    """
    if accuracy is None:
        return
    try:
        (folder / FILE).write_bytes(accuracy.text)
        write_quality(accuracy.quality, accuracy.hash, quality_file(folder / FILE))
    except OSError as error:
        raise RunError(f"{folder / FILE}: cannot be written ({error.strerror or error})") from None


def read_accuracy_model(folder: Path, about: Mapping[str, str]) -> AccuracyModel | None:
    """Return the table in a run folder; ``None`` if the run's configuration names none.

    Args:
        folder: The run folder.
        about: Name and hash of the table, or nothing.

    Raises:
        RunError: The copy is missing, damaged, or not the one with which the run was started.
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
