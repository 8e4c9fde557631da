"""Evaluations that are kept for later searches: one SQLite file for all runs, samplers and workers of a user.

Only complete evaluations are kept, under a hash of all that a value depends on (see
``cache_keys.py``), each with a checksum of its own. SQLite's write-ahead log survives the end of a
process at any moment, and lets several searches write at once. A cache is never worth a search:
whatever is wrong with it (no home, a full disk, a damaged file, another process that holds it), it
says so in one line, and from there on finds and keeps nothing.

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
"""The environment variable that turns the cache off, whatever it is set to."""

NAME = "evaluations-1.sqlite"
"""Of the file; its number is the version of the table in it."""

_WAIT_S = 10.0
_TABLE = (
    "CREATE TABLE IF NOT EXISTS evaluations (key TEXT PRIMARY KEY, metric TEXT, value TEXT, seconds"
    " TEXT, made REAL, checksum INTEGER)"
)
_AT_ONCE = 500  # fewer than the 999 variables that an old SQLite takes

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """An evaluation that is kept.

    Attributes:
        key: of all that the value depends on.
        metric: name of it.
        value: finite, in the metric's unit.
        seconds: that it took.
    """

    key: str
    metric: str
    value: float
    seconds: float


def wanted() -> bool:
    """Return whether the environment leaves the cache on."""
    return not os.environ.get(OFF)


def cache_path() -> Path:
    """Return the file in which evaluations are kept, which need not exist."""
    return cache_home("evaluations") / NAME


class EvaluationCache:
    """The open cache.

    Args:
        path: of its file, which is made where there is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        try:
            self._database = _made(path)
        except Exception as error:  # whatever is wrong with it
            self._give_up(error)

    def find(self, keys: Sequence[str]) -> dict[str, CacheEntry]:
        """Return the entries that there are, by key; one that does not fit its checksum is none."""
        if self._database is None:
            return {}
        try:
            return {entry.key: entry for entry in _entries(self._database, keys)}
        except Exception as error:
            self._give_up(error)
            return {}

    def keep(self, entries: Iterable[CacheEntry]) -> None:
        """Add entries, or replace them."""
        if self._database is None:
            return
        made = time.time()
        try:
            self._database.executemany(
                "INSERT OR REPLACE INTO evaluations VALUES (?, ?, ?, ?, ?, ?)",
                (_row(e, made) for e in entries),
            )
        except Exception as error:
            self._give_up(error)

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            with contextlib.suppress(Exception):
                self._database.close()
            self._database = None

    def _give_up(self, error: Exception) -> None:
        self.close()
        _log.warning(
            "%s: evaluations are not kept, the search goes on without (%s)",
            self._path,
            format_bytes(error),
        )


def format_bytes(error: Exception) -> str:
    """Return what is wrong, on one line."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return " ".join(reason.split()) or type(error).__name__


@contextlib.contextmanager
def cached_values(path: Path) -> Iterator[None]:
    """Hold the file while it is made or removed; processes that have it open already are not kept out.

    Raises:
        OSError: it cannot be held.
    """
    with FileLock(path.with_suffix(".lock"), timeout=_WAIT_S):
        yield


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection that waits for others and commits each statement by itself."""
    return sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)


def _made(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    with cached_values(path):
        database = connect(path)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(
                "PRAGMA synchronous = NORMAL"
            )  # a power cut may cost the last entries, never the others
            database.execute(_TABLE)
        except BaseException:
            database.close()
            raise
    return database


def _entries(database: sqlite3.Connection, keys: Sequence[str]) -> Iterator[CacheEntry]:
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(some))
        for row in database.execute(
            f"SELECT key, metric, value, seconds, checksum FROM evaluations WHERE key IN ({marks})",
            some,
        ):
            entry = _entry(*row)
            if entry is not None:
                yield entry


def _row(entry: CacheEntry, made: float) -> tuple[str, str, str, str, float, int]:
    """Return a row; numbers are texts, since SQLite takes -0.0 for 0."""
    value, seconds = repr(entry.value), repr(entry.seconds)
    return (
        entry.key,
        entry.metric,
        value,
        seconds,
        made,
        _checksum(entry.key, entry.metric, value, seconds),
    )


def _entry(
    key: object, metric: object, value: object, seconds: object, checksum: object
) -> CacheEntry | None:
    if checksum != _checksum(key, metric, value, seconds):
        return None
    entry = CacheEntry(str(key), str(metric), float(str(value)), float(str(seconds)))
    return entry if math.isfinite(entry.value) else None


def _checksum(*parts: object) -> int:
    return zlib.crc32("\n".join(map(str, parts)).encode("utf-8", "surrogatepass"))
