"""Inspection and pruning of the evaluation cache."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mvt_nas.errors import MvtNasError
from mvt_nas.nas.cache.store import cache_lock, connect, format_error

_SECONDS_PER_DAY = 86_400.0
# Suffixes of the database and of the files that SQLite keeps next to it.
_SUFFIXES = ("", "-wal", "-shm")


class CacheError(MvtNasError):
    """A cache that cannot be read or pruned."""


@dataclass(frozen=True, slots=True)
class CacheContents:
    """Summary of the content of a cache.

    Attributes:
        path: Path of the file.
        size_bytes: Size on disk.
        by_metric: Number of entries by metric.
        oldest: Creation time of the first entry, in seconds since 1970; None if there is none.
        newest: Creation time of the last entry, likewise.
    """

    path: Path
    size_bytes: int
    by_metric: Mapping[str, int]
    oldest: float | None
    newest: float | None

    @property
    def entries(self) -> int:
        """Number of all entries."""
        return sum(self.by_metric.values())


def cache_contents(path: Path) -> CacheContents:
    """Return the summary of a cache; an empty one if there is no file.

    Raises:
        CacheError: The cache cannot be read.
    """
    if not path.exists():
        return CacheContents(path, 0, {}, None, None)
    with _opened(path) as database:
        counts = dict(
            database.execute(
                "SELECT metric, COUNT(*) FROM evaluations GROUP BY metric ORDER BY metric"
            )
        )
        oldest, newest = database.execute("SELECT MIN(made), MAX(made) FROM evaluations").fetchone()
    return CacheContents(path, _size_bytes(path), counts, oldest, newest)


def prune(path: Path, *, older_than_days: float | None = None, metric: str | None = None) -> int:
    """Remove the entries that match all given conditions; return their number.

    Args:
        path: Path of the file.
        older_than_days: Age of the entries, in days; None for any.
        metric: Metric of the entries; None for any.

    Raises:
        CacheError: The cache cannot be read or written.
    """
    if not path.exists():
        return 0
    newest = None if older_than_days is None else time.time() - older_than_days * _SECONDS_PER_DAY
    with _opened(path) as database:
        condition = "(:newest IS NULL OR made < :newest) AND (:metric IS NULL OR metric = :metric)"
        removed = database.execute(
            f"DELETE FROM evaluations WHERE {condition}", {"newest": newest, "metric": metric}
        ).rowcount
        # Where the file is busy or there is no room for a copy, new entries reuse the space.
        with contextlib.suppress(sqlite3.OperationalError):
            database.execute("VACUUM")
    return removed


def remove(path: Path) -> None:
    """Remove the whole cache, even a damaged one; running searches keep using theirs.

    Raises:
        CacheError: The cache cannot be removed.
    """
    if not path.exists():
        return
    try:
        with cache_lock(path):
            for suffix in _SUFFIXES:
                path.with_name(path.name + suffix).unlink(missing_ok=True)
    except Exception as error:
        # SQLite has many errors, and a damaged text raises a ValueError.
        raise CacheError(f"{path}: cannot be removed ({format_error(error)})") from None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with contextlib.closing(connect(path)) as database:
            yield database
    except Exception as error:
        raise CacheError(
            f"{path}: cannot be used ({format_error(error)}); mvt-nas cache prune --all removes it"
        ) from None


def _size_bytes(path: Path) -> int:
    sizes = []
    for suffix in _SUFFIXES:
        with contextlib.suppress(OSError):
            sizes.append(path.with_name(path.name + suffix).stat().st_size)
    return sum(sizes)
