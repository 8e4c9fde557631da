"""A run folder that another process writes, read again and again: each time only what is new.

Nothing is written there. To see whether a process works on it, its lock is tried with a shared one
that is let go at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvt_nas.journal import read_journal
from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.folder import CONFIG, read_config
from mvt_nas.nas.runs.store import NAME, StoreContent, apply_record

_LOCK = ".lock"
_Identity = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RunUpdate:
    """What has come since the look before.

    Attributes:
        candidates: that are new, in the order in which they finished.
        records: number of all new lines.
        anew: whether there is another run in the folder than before, of which this is all.
    """

    candidates: tuple[Candidate, ...]
    records: int
    anew: bool


class RunTail:
    """Follows the run in a folder.

    Args:
        folder: of the run.

    Attributes:
        folder: of the run.
        config: what the run does; its trials may grow.
        content: what its store holds, as far as it was read.

    Raises:
        RunError: no run there, or a damaged one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config: RunConfig = read_config(folder)
        self.content = StoreContent()
        self._written = _identity(folder / CONFIG)
        self._store: _Identity | None = None
        self._new: list[Candidate] = []
        self._records = 0

    def look(self) -> RunUpdate:
        """Read what is new.

        Raises:
            RunError: the run is gone, or damaged.
        """
        anew = self._config_changed() or self._store_changed()
        if anew:
            self.content = StoreContent()
        self._new, self._records = [], 0
        self.content.intact = read_journal(
            self.folder / NAME,
            self._take,
            "restore the file or start a new run",
            self.content.intact,
        )
        return RunUpdate(tuple(self._new), self._records, anew)

    def _config_changed(self) -> bool:
        """Read the configuration where it was written again; return whether it is that of another run."""
        written = _identity(self.folder / CONFIG)
        if written is not None and written == self._written:
            return False
        before, self.config = self.config, read_config(self.folder)
        self._written = written
        return any(
            getattr(before, name) != getattr(self.config, name)
            for name in ("space_hash", "objectives", "reference", "seed")
        )

    def _store_changed(self) -> bool:
        """Return whether the store is another file than before, or shorter than what was read of it."""
        before, self._store = self._store, _identity(self.folder / NAME)
        if before is None or self._store is None:
            return before is not None
        return before[:2] != self._store[:2] or self._store[2] < self.content.intact

    def _take(self, record: Mapping[str, Any]) -> None:
        """Take in a record."""
        apply_record(self.content, record)
        self._records += 1
        if "candidate" in record:
            self._new.append(self.content.candidates[int(record["candidate"]["number"])])


def in_use(folder: Path) -> bool:
    """Return whether a process works on a run folder."""
    if sys.platform == "win32":
        return _cannot_be_locked(folder)
    import fcntl

    try:
        file = os.open(folder / _LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(file)
    return False


def _cannot_be_locked(folder: Path) -> bool:
    from mvt_nas.errors import RunError
    from mvt_nas.nas.runs.folder import locked

    try:
        with locked(folder):
            return False
    except RunError:
        return True


def _identity(path: Path) -> _Identity | None:
    """Return what tells a file from another, or from what it was; ``None`` where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
