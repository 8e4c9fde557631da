"""Incremental reading of a run folder that another process writes.

Nothing is written there. To find out whether a process works on the folder, a shared lock is
tried and released at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvt_nas.errors import RunError
from mvt_nas.journal import read_journal
from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.folder import CONFIG, locked, read_config
from mvt_nas.nas.runs.store import NAME, StoreContent, apply_record

_LOCK = ".lock"
_Identity = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RunUpdate:
    """New content of a run folder.

    Attributes:
        candidates: New candidates, in the order in which they finished.
        records: Number of all new lines.
        restarted: Whether the folder has another run than before, and this is all of it.
    """

    candidates: tuple[Candidate, ...]
    records: int
    restarted: bool


class RunTail:
    """Reader of a growing run.

    Args:
        folder: Folder of the run.

    Attributes:
        folder: Folder of the run.
        config: Configuration of the run, whose trials may grow.
        content: Content of the store that was read so far.

    Raises:
        RunError: There is no run, or it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config: RunConfig = read_config(folder)
        self.content = StoreContent()
        self._written = _identity(folder / CONFIG)
        self._store: _Identity | None = None
        self._new: list[Candidate] = []
        self._records = 0

    def read(self) -> RunUpdate:
        """Read the new content.

        Raises:
            RunError: The run was deleted, or is damaged.
        """
        restarted = self._config_changed() or self._store_changed()
        if restarted:
            self.content = StoreContent()
        self._new, self._records = [], 0
        self.content.intact = read_journal(
            self.folder / NAME,
            self._take,
            "restore the file or start a new run",
            self.content.intact,
        )
        return RunUpdate(tuple(self._new), self._records, restarted)

    def _config_changed(self) -> bool:
        """Read the configuration if it has changed; return True if it is that of another run."""
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
        """Return True if the store was replaced, or is shorter than the part that was read."""
        before, self._store = self._store, _identity(self.folder / NAME)
        if before is None or self._store is None:
            return before is not None
        return before[:2] != self._store[:2] or self._store[2] < self.content.intact

    def _take(self, record: Mapping[str, Any]) -> None:
        apply_record(self.content, record)
        self._records += 1
        if "candidate" in record:
            self._new.append(self.content.candidates[int(record["candidate"]["number"])])


def in_use(folder: Path) -> bool:
    """Return True if a process works on a run folder."""
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
    # The file system has no locks.
    except OSError:
        return False
    finally:
        os.close(file)
    return False


def _cannot_be_locked(folder: Path) -> bool:
    try:
        with locked(folder):
            return False
    except RunError:
        return True


def _identity(path: Path) -> _Identity | None:
    """Return device, inode, size and time of a file; ``None`` if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
