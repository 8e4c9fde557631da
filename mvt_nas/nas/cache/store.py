"""Cache of evaluations: one SQLite file for all runs, samplers and workers of a user.

Only complete evaluations are cached, under a hash of all inputs (see ``keys.py``), each with its
own checksum. SQLite's write-ahead log survives the death of a process at any moment, and lets
several searches write at once. A cache must never fail a search: on any problem (no home, a full
disk, a damaged file, a lock of another process) it logs one line, and is disabled.

Source: https://sqlite.org/wal.html.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from mvt_nas._io import cache_home

OFF = "MVT_NAS_NO_CACHE"
"""Environment variable that disables the cache, with any value."""

NAME = "evaluations-1.sqlite"
"""Name of the file; its number is the version of the table schema."""

_WAIT_S = 10.0
_TABLE = (
    "CREATE TABLE IF NOT EXISTS evaluations (key TEXT PRIMARY KEY, metric TEXT, value TEXT, seconds"
    " TEXT, made REAL, checksum INTEGER)"
)
# Keys per query; old versions of SQLite allow 999 variables.
_AT_ONCE = 500

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A cached evaluation.

    Attributes:
        key: Hash of all inputs of the value.
        metric: Name of the metric.
        value: Finite value in the metric's unit.
        seconds: Wall time of the evaluation.
    """

    key: str
    metric: str
    value: float
    seconds: float


def wanted() -> bool:
    """Return True unless the environment disables the cache."""
    return not os.environ.get(OFF)


def cache_path() -> Path:
    """Return the path of the cache, which need not exist."""
    return cache_home("evaluations") / NAME


class EvaluationCache:
    """The open cache.

    Args:
        path: Path of its file, which is created if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        try:
            self._database = _open_database(path)
        except Exception as error:
            self._disable(error)

    def find(self, keys: Sequence[str]) -> dict[str, CacheEntry]:
        """Return the cached entries by key; those with a wrong checksum are ignored."""
        if self._database is None:
            return {}
        try:
            return {entry.key: entry for entry in _entries(self._database, keys)}
        except Exception as error:
            self._disable(error)
            return {}

    def keep(self, entries: Iterable[CacheEntry]) -> None:
        """Add or replace entries."""
        if self._database is None:
            return
        made = time.time()
        try:
            self._database.executemany(
                "INSERT OR REPLACE INTO evaluations VALUES (?, ?, ?, ?, ?, ?)",
                (_row(e, made) for e in entries),
            )
        except Exception as error:
            self._disable(error)

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            with contextlib.suppress(Exception):
                self._database.close()
            self._database = None

    def _disable(self, error: Exception) -> None:
        self.close()
        _log.warning(
            "%s: evaluations are not kept, the search continues without (%s)",
            self._path,
            format_error(error),
        )


def format_error(error: Exception) -> str:
    """Return the message of an exception on one line."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return " ".join(reason.split()) or type(error).__name__


@contextlib.contextmanager
def cache_lock(path: Path) -> Iterator[None]:
    """Lock the file while it is created or removed; processes that have it open are not excluded.

    Raises:
        OSError: The lock cannot be acquired.
    """
    with FileLock(path.with_suffix(".lock"), timeout=_WAIT_S):
        yield


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection that waits for other writers and commits each statement."""
    return sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)


def _open_database(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    with cache_lock(path):
        database = connect(path)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            # A power cut may lose the last entries, but never corrupts others.
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute(_TABLE)
        except BaseException:
            database.close()
            raise
    return database


def _entries(database: sqlite3.Connection, keys: Sequence[str]) -> Iterator[CacheEntry]:
    for start in range(0, len(keys), _AT_ONCE):
        chunk = keys[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(chunk))
        query = (
            f"SELECT key, metric, value, seconds, checksum FROM evaluations WHERE key IN ({marks})"
        )
        for row in database.execute(query, chunk):
            entry = _entry(*row)
            if entry is not None:
                yield entry


def _row(entry: CacheEntry, made: float) -> tuple[str, str, str, str, float, int]:
    """Return the row of an entry; numbers are texts, because SQLite stores -0.0 as 0."""
    value = repr(entry.value)
    seconds = repr(entry.seconds)
    checksum = _checksum(entry.key, entry.metric, value, seconds)
    return entry.key, entry.metric, value, seconds, made, checksum


def _entry(
    key: object, metric: object, value: object, seconds: object, checksum: object
) -> CacheEntry | None:
    """Return the entry of a row; None if it is damaged."""
    if checksum != _checksum(key, metric, value, seconds):
        return None
    entry = CacheEntry(str(key), str(metric), float(str(value)), float(str(seconds)))
    return entry if math.isfinite(entry.value) else None


def _checksum(*parts: object) -> int:
    return zlib.crc32("\n".join(map(str, parts)).encode("utf-8", "surrogatepass"))
